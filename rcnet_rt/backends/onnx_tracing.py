"""Arrays that write down what is done to them, as an ONNX graph.

Packing, formulas, features and the steps around the network are written for any kind of array that
NumPy's names fit. Given these, they write their graph themselves: nothing is defined twice. Only
what they use is here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

__all__ = ["Graph", "TracedArray"]

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
        self._inputs.append(helper.make_tensor_value_info(name, _code(self.real), shape))
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
        self._nodes.append(helper.make_node(operator, names, [name], **attributes))
        return TracedArray(self, name, ndim, dtype)

    def model(
        self, name: str, outputs: Mapping[str, TracedArray], notes: Mapping[str, str]
    ) -> onnx.ModelProto:
        """Return the model with those outputs, each (N,); what they do not need is left out.

        Notes are kept in the file as its metadata.
        """
        ends = [
            helper.make_node("Identity", [value.name], [output])
            for output, value in outputs.items()
        ]
        nodes = _needed([*self._nodes, *ends], set(outputs))
        used = {source for node in nodes for source in node.input}
        graph = helper.make_graph(
            nodes,
            name,
            [value for value in self._inputs if value.name in used],
            [
                helper.make_tensor_value_info(output, _code(value.dtype), ["N"])
                for output, value in outputs.items()
            ],
            [value for value in self._constants.values() if value.name in used],
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        helper.set_model_props(model, dict(notes))
        return model


def _needed(nodes: Sequence[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """Return the nodes that the wanted values depend on, in their order."""
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _code(dtype: Any) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


class TracedArray:
    """An array of which only the name in the graph, the number of axes and the type are known.

    Attributes:
        graph: where it is written down.
        name: of the value.
        ndim: number of axes.
        dtype: the graph's real numbers, bool or int64.
        negated: what this is the logical opposite of, so that doing it twice costs nothing.
        unknown: whether every value is NaN, so that what asks for it need not be written down.
    """

    __array_ufunc__ = None  # so that NumPy's own numbers leave operators to this class
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, graph: Graph, name: str, ndim: int, dtype: Any) -> None:
        self.graph, self.name, self.ndim, self.dtype = graph, name, ndim, np.dtype(dtype)
        self.negated: TracedArray | None = None
        self.unknown = False
        self.sizes: tuple[int | None, ...] = ()

    def __array_namespace__(self) -> Any:
        """Return the functions that take it; see `rcnet_rt.arrays.namespace`."""
        from rcnet_rt.backends import onnx_functions  # which is written in terms of this class

        return onnx_functions

    def astype(self, dtype: Any) -> TracedArray:
        """Return the values as another type."""
        if self.dtype == np.dtype(dtype):
            return self
        return self.graph.node("Cast", self, ndim=self.ndim, dtype=dtype, to=_code(dtype))

    def like(self, value: Any) -> TracedArray:
        """Return an array or a plain number as a traced array of this one's type."""
        if isinstance(value, TracedArray):
            return value.astype(self.dtype)
        return self.graph.constant(value, self.dtype)

    def apply(self, operator: str, *others: Any, dtype: Any = None) -> TracedArray:
        """Apply an operator elementwise; the result has this one's type if none is named."""
        operands = [self, *map(self.like, others)]
        most = max(operand.ndim for operand in operands)
        return self.graph.node(operator, *operands, ndim=most, dtype=dtype or self.dtype)

    def numbers(self) -> TracedArray:
        """Return booleans as 0 and 1."""
        return self.astype(self.graph.real) if self.dtype == bool else self

    def __add__(self, other: Any) -> TracedArray:
        return self.numbers().apply("Add", other)

    def __sub__(self, other: Any) -> TracedArray:
        return self.numbers().apply("Sub", other)

    def __mul__(self, other: Any) -> TracedArray:
        product = self.numbers().apply("Mul", other)
        product.unknown = isinstance(other, float) and math.isnan(other)
        return product

    def __truediv__(self, other: Any) -> TracedArray:
        return self.numbers().apply("Div", other)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> TracedArray:
        return self.numbers().like(other) - self

    def __rtruediv__(self, other: Any) -> TracedArray:
        return self.numbers().like(other) / self

    def __matmul__(self, other: Any) -> TracedArray:
        return self.numbers().apply("MatMul", other)

    def __neg__(self) -> TracedArray:
        return self.apply("Neg")

    def __gt__(self, other: Any) -> TracedArray:
        return self.apply("Greater", other, dtype=bool)

    def __ge__(self, other: Any) -> TracedArray:
        return self.apply("GreaterOrEqual", other, dtype=bool)

    def __lt__(self, other: Any) -> TracedArray:
        return self.apply("Less", other, dtype=bool)

    def __eq__(self, other: object) -> Any:
        return self.apply("Equal", other, dtype=bool)

    def __and__(self, other: Any) -> TracedArray:
        return self.apply("And", other)

    def __or__(self, other: Any) -> TracedArray:
        return self.apply("Or", other)

    def __invert__(self) -> TracedArray:
        if self.negated is None:
            result = self.apply("Not")
            result.negated = self
            return result
        return self.negated

    def __getitem__(self, index: Any) -> TracedArray:
        """Select along the first axes: each by `:`, a number, a range, or None for a new axis."""
        result, axis = self, 0
        for part in index if isinstance(index, tuple) else (index,):
            result = result._part(part, axis)
            axis += not isinstance(part, int)
        result.unknown = self.unknown
        return result

    def _part(self, part: Any, axis: int) -> TracedArray:
        if part is None:
            return self._along("Unsqueeze", axis, self.ndim + 1)
        if isinstance(part, slice):
            if part == slice(None):
                return self
            stop = np.iinfo(np.int64).max if part.stop is None else part.stop
            edges = [self.graph.constant([n], np.int64) for n in (part.start or 0, stop, axis)]
            return self.graph.node("Slice", self, *edges, ndim=self.ndim, dtype=self.dtype)
        places = self.graph.constant(part, np.int64)
        ndim = self.ndim - 1 + places.ndim
        return self.graph.node("Gather", self, places, ndim=ndim, dtype=self.dtype, axis=axis)

    def _along(self, operator: str, axis: int, ndim: int, **attributes: Any) -> TracedArray:
        """Apply an operator that takes its axis as an input."""
        axes = self.graph.constant([axis], np.int64)
        return self.graph.node(operator, self, axes, ndim=ndim, dtype=self.dtype, **attributes)

    def sum(self, axis: int) -> TracedArray:
        """Sum along an axis."""
        return self.numbers()._along("ReduceSum", axis, self.ndim - 1, keepdims=0)

    def mean(self, axis: int) -> TracedArray:
        """Mean along an axis."""
        return self.reduce("ReduceMean", axis)

    def any(self, axis: int) -> TracedArray:
        """Whether any is true along an axis."""
        return self.sum(axis) > 0

    def all(self, axis: int) -> TracedArray:
        """Whether all are true along an axis."""
        return ~(~self).any(axis)

    def clip(self, least: Any, most: Any) -> TracedArray:
        """Bring the values between two plain numbers, either of which may be None."""
        bounds = [None if bound is None else self.like(bound) for bound in (least, most)]
        return self.graph.node("Clip", self, *bounds, ndim=self.ndim, dtype=self.dtype)

    def prod(self, axis: int) -> TracedArray:
        """Product along an axis."""
        return self.reduce("ReduceProd", axis)

    def reshape(self, *shape: int) -> TracedArray:
        """Return it in a shape whose first size is that of the first axis, however it is given."""
        sizes = self.graph.constant([0, *shape[1:]], np.int64)
        return self.graph.node("Reshape", self, sizes, ndim=len(shape), dtype=self.dtype)

    def reduce(self, operator: str, axis: int) -> TracedArray:
        """Apply an operator that takes its axis as an attribute and removes it."""
        return self.graph.node(
            operator, self, ndim=self.ndim - 1, dtype=self.dtype, axes=[axis], keepdims=0
        )

    @property
    def T(self) -> TracedArray:  # noqa: N802
        """The two axes exchanged."""
        return self.graph.node("Transpose", self, ndim=2, dtype=self.dtype, perm=[1, 0])

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Sizes, as far as they are known: those of inputs are."""
        return self.sizes or (None,) * self.ndim
