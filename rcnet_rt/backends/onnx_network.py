"""The networks of `models.rcnet` as nodes of an ONNX graph, in float32 as there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.backends.onnx_tracing import TracedArray
from rcnet_rt.poses.arrays import namespace
from rcnet_rt.rescoring import features
from rcnet_rt.rescoring.constants import CLIP, LAYER_NORM_EPSILON
from rcnet_rt.rescoring.weights import Weights

__all__ = ["TracedNetwork"]


class TracedNetwork:
    """The network of some weights for traced arrays; see `rescoring.rescore.Network`.

    Raises:
        WeightsError: the weights are a baseline.
    """

    def __init__(self, weights: Weights) -> None:
        self.config = weights.network_config()
        self.complete = features.get(weights.features).complete
        self.tensors: Mapping[str, npt.NDArray[Any]] = weights.tensors

    def __call__(
        self, features: TracedArray, baseline: TracedArray, image_index: TracedArray
    ) -> TracedArray:
        """(P, D) features, (P,) base logits, (P,) image numbers -> (P,) scores in (0, 1)."""
        standard = self._standardise(features)
        body = {"attention": self._attention, "mlp": self._mlp, "linear": self._linear}
        logit = body[self.config.architecture](standard, image_index)[:, 0].astype(baseline.dtype)
        if self.config.output == "residual":
            logit = logit + baseline
        return logit.apply("Sigmoid")

    def _standardise(self, features: TracedArray) -> TracedArray:
        xp = namespace(features)
        mean, deviation = (self.tensors[f"standardise.{name}"] for name in ("mean", "deviation"))
        scaled = (features.astype(np.float32) - mean) / deviation
        if not self.complete:
            scaled = xp.where(xp.isnan(scaled), 0.0, scaled)
        return scaled.clip(-CLIP, CLIP)

    def _layer(self, value: TracedArray, name: str) -> TracedArray:
        return _linear(value, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])

    def _normalise(self, value: TracedArray, name: str) -> TracedArray:
        parts = [self.tensors[f"{name}.{part}"] for part in ("weight", "bias")]
        return _node("LayerNormalization", value, *parts, epsilon=LAYER_NORM_EPSILON)

    def _attention(self, features: TracedArray, image_index: TracedArray) -> TracedArray:
        """One encoder layer as torch has it: post-norm, ReLU, one head, masked by image."""
        xp = namespace(features)
        embedded = self._layer(features, "phi")
        weights = np.split(self.tensors["encoder.self_attn.in_proj_weight"], 3)
        biases = np.split(self.tensors["encoder.self_attn.in_proj_bias"], 3)
        query, key, value = map(_linear, [embedded] * 3, weights, biases)
        similarity = _node("MatMul", query, _node("Transpose", key, perm=[1, 0]))
        same = image_index[:, None] == image_index[None, :]
        masked = xp.where(same, similarity * self.config.hidden**-0.5, -np.inf)
        seen = _node("MatMul", _node("Softmax", masked, axis=1), value)
        attended = embedded + self._layer(seen, "encoder.self_attn.out_proj")
        attended = self._normalise(attended, "encoder.norm1")
        wide = self._layer(attended, "encoder.linear1").apply("Relu")
        result = attended + self._layer(wide, "encoder.linear2")
        correction = self._layer(self._normalise(result, "encoder.norm2"), "head")
        if not self.config.shortcut:
            return correction
        return correction + _node("MatMul", features, self.tensors["shortcut.weight"].T)

    def _mlp(self, features: TracedArray, image_index: TracedArray) -> TracedArray:
        first = self._layer(features, "layers.0").apply("Relu")
        return self._layer(self._layer(first, "layers.3").apply("Relu"), "head")

    def _linear(self, features: TracedArray, image_index: TracedArray) -> TracedArray:
        return self._layer(features, "head")


def _node(operator: str, value: TracedArray, *others: Any, **attributes: Any) -> TracedArray:
    """Add a node whose result has two axes."""
    inputs = [value, *map(value.like, others)]
    return value.graph.node(operator, *inputs, ndim=2, dtype=value.dtype, **attributes)


def _linear(value: TracedArray, weight: npt.NDArray[Any], bias: npt.NDArray[Any]) -> TracedArray:
    return _node("Gemm", value, weight, bias, transB=1)
