"""The ONNX graph that traced arrays are written into: its nodes, constants, inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from rcnet_rt.backends.onnx_tracing import TracedArray

__all__ = ["Graph"]

OPSET = 17
IR_VERSION = 9


class Graph:
    """Nodes and constants in the order in which they came.

    Args:
        real: the type of real numbers, np.float32 or np.float64.
    """

    def __init__(self, real: Any = np.float32) -> None:
        self.real = np.dtype(real)
        self._inputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[Any, ...], onnx.TensorProto] = {}

    def input(self, name: str, shape: Sequence[str | int]) -> TracedArray:
        """Declare an input of real numbers; a name in place of a size is a dynamic one."""
        self._inputs.append(helper.make_tensor_value_info(name, self.type_code(self.real), shape))
        array = TracedArray(self, name, len(shape), self.real)
        array.sizes = tuple(size if isinstance(size, int) else None for size in shape)
        return array

    def constant(self, value: Any, dtype: Any = None) -> TracedArray:
        """Return a constant, of real numbers if no type is named; equal ones are kept once."""
        array: npt.NDArray[Any] = np.array(value, dtype=dtype or self.real, order="C")
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = numpy_helper.from_array(array, name)
        return TracedArray(self, self._constants[key].name, array.ndim, array.dtype)

    def node(
        self, operator: str, *inputs: TracedArray | None, ndim: int, dtype: Any, **attributes: Any
    ) -> TracedArray:
        """Add a node and return its result, of that many axes and that type; None is left out."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        names = ["" if value is None else value.name for value in inputs]
        # onnxruntime 1.18 makes names of fused nodes from those of nodes; empty ones would collide.
        self._nodes.append(helper.make_node(operator, names, [name], name, **attributes))
        return TracedArray(self, name, ndim, dtype)

    def model(
        self,
        name: str,
        outputs: Mapping[str, TracedArray],
        notes: Mapping[str, str],
        shapes: Mapping[str, Sequence[str | int]] = MappingProxyType({}),
    ) -> onnx.ModelProto:
        """Return the model with those outputs; what they do not need is left out.

        Notes are kept in the file as its metadata. An output without a shape has (N,).
        """
        ends = [
            helper.make_node("Identity", [value.name], [output], output)
            for output, value in outputs.items()
        ]
        nodes = _needed([*self._nodes, *ends], set(outputs))
        used = {source for node in nodes for source in node.input}
        graph = helper.make_graph(
            nodes,
            name,
            [value for value in self._inputs if value.name in used],
            [
                helper.make_tensor_value_info(
                    output, self.type_code(value.dtype), shapes.get(output, ("N",))
                )
                for output, value in outputs.items()
            ],
            [value for value in self._constants.values() if value.name in used],
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        helper.set_model_props(model, dict(notes))
        return model

    @staticmethod
    def type_code(dtype: Any) -> int:
        """Return ONNX's number of a NumPy type."""
        return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _needed(nodes: Sequence[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """Return the nodes that the wanted values depend on, in their order."""
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]
