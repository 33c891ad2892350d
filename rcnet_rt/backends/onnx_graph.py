"""A weights file as an ONNX graph, node by node, so that no exporter is needed.

Inputs `features` [P, D], `base` [P] and `picture` [P], float32; output `scores` [P]. P is dynamic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from rcnet_rt.model_config import CLIP, NetworkConfig
from rcnet_rt.weights_file import Weights

__all__ = ["build_graph"]

OPSET = 17
LAYER_NORM_EPSILON = 1e-5  # torch's default


class _Graph:
    """Nodes and constants as they are added; each method returns the name of its result."""

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        self.tensors = tensors
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any, dtype: type = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        array: npt.NDArray[Any] = np.ascontiguousarray(np.asarray(value, dtype=dtype))
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def linear(self, value: str, weight: Any, bias: Any) -> str:
        return self.node("Gemm", value, self.constant(weight), self.constant(bias), transB=1)

    def layer(self, value: str, name: str) -> str:
        return self.linear(value, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])

    def normalise(self, value: str, name: str) -> str:
        scale, bias = (self.constant(self.tensors[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.node("LayerNormalization", value, scale, bias, epsilon=LAYER_NORM_EPSILON)


def build_graph(weights: Weights) -> onnx.ModelProto:
    """Return the ONNX model of a weights file's network.

    Raises:
        WeightsError: the weights are a formula.
    """
    config = weights.network_config()
    graph = _Graph(weights.tensors)
    standard = _standardise(graph)
    body = {"attention": _attention, "mlp": _mlp, "linear": _linear}[config.architecture]
    logit = graph.node("Squeeze", body(graph, standard, config), graph.constant([1], np.int64))
    if config.output == "residual":
        logit = graph.node("Add", logit, "base")
    scores = helper.make_node("Sigmoid", [logit], ["scores"])
    vector = ("poses",)
    return helper.make_model(
        helper.make_graph(
            [*graph.nodes, scores],
            weights.name,
            [
                _value("features", ("poses", config.feature_count)),
                _value("base", vector),
                _value("picture", vector),
            ],
            [_value("scores", vector)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
    )


def _value(name: str, shape: tuple[str | int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _standardise(graph: _Graph) -> str:
    mean = graph.constant(graph.tensors["standardise.mean"])
    deviation = graph.constant(graph.tensors["standardise.deviation"])
    scaled = graph.node("Div", graph.node("Sub", "features", mean), deviation)
    known = graph.node("Where", graph.node("IsNaN", scaled), graph.constant(0.0), scaled)
    return graph.node("Clip", known, graph.constant(-CLIP), graph.constant(CLIP))


def _attention(graph: _Graph, features: str, config: NetworkConfig) -> str:
    """One encoder layer as torch has it: post-norm, ReLU, one head, masked by picture."""
    embedded = graph.layer(features, "phi")
    weights = np.split(graph.tensors["encoder.self_attn.in_proj_weight"], 3)
    biases = np.split(graph.tensors["encoder.self_attn.in_proj_bias"], 3)
    query, key, value = (graph.linear(embedded, w, b) for w, b in zip(weights, biases, strict=True))
    similarity = graph.node("MatMul", query, graph.node("Transpose", key, perm=[1, 0]))
    similarity = graph.node("Mul", similarity, graph.constant(config.hidden**-0.5))
    row, column = (
        graph.node("Unsqueeze", "picture", graph.constant([axis], np.int64)) for axis in (1, 0)
    )
    same = graph.node("Equal", row, column)
    masked = graph.node("Where", same, similarity, graph.constant(-np.inf))
    seen = graph.node("MatMul", graph.node("Softmax", masked, axis=1), value)
    attended = graph.node("Add", embedded, graph.layer(seen, "encoder.self_attn.out_proj"))
    attended = graph.normalise(attended, "encoder.norm1")
    wide = graph.node("Relu", graph.layer(attended, "encoder.linear1"))
    result = graph.node("Add", attended, graph.layer(wide, "encoder.linear2"))
    correction = graph.layer(graph.normalise(result, "encoder.norm2"), "head")
    if not config.shortcut:
        return correction
    direct = graph.constant(graph.tensors["shortcut.weight"].T)
    return graph.node("Add", correction, graph.node("MatMul", features, direct))


def _mlp(graph: _Graph, features: str, config: NetworkConfig) -> str:
    first = graph.node("Relu", graph.layer(features, "layers.0"))
    return graph.layer(graph.node("Relu", graph.layer(first, "layers.3")), "head")


def _linear(graph: _Graph, features: str, config: NetworkConfig) -> str:
    return graph.layer(features, "head")
