"""Arrays that record what is done to them as the nodes of an ONNX graph.

The batch, the baselines, the features and the steps around the network are written for any kind of
array that NumPy's names fit. Given these, they write their own graph: nothing is defined twice.
Only the operators and functions that they use are here.
"""

# ruff: noqa: A001

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

__all__ = ["GraphWriter", "TracedArray"]


class GraphWriter(Protocol):
    """What traced arrays need of the graph; `backends.onnx_builder.Graph` is one."""

    real: np.dtype[Any]

    def constant(self, value: Any, dtype: Any = None) -> TracedArray:
        """Return a constant."""
        ...

    def node(
        self, operator: str, *inputs: TracedArray | None, ndim: int, dtype: Any, **attributes: Any
    ) -> TracedArray:
        """Add a node and return its result."""
        ...

    @staticmethod
    def type_code(dtype: Any) -> int:
        """Return ONNX's number of a NumPy type."""
        ...


class TracedArray:
    """An array of which only the name in the graph, the number of axes and the type are known.

    Attributes:
        graph: where it is written down.
        name: of the value.
        ndim: number of axes.
        dtype: the graph's real numbers, bool or int64.
        negated: what this is the logical opposite of, so that doing it twice costs nothing.
        unknown: whether every value is NaN, so that what asks for it need not be written down.
        joined: what it was concatenated of, and along which axis.
        reshaped: what it is in another shape.
    """

    __array_ufunc__ = None  # so that NumPy's own numbers leave operators to this class
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, graph: GraphWriter, name: str, ndim: int, dtype: Any) -> None:
        self.graph, self.name, self.ndim, self.dtype = graph, name, ndim, np.dtype(dtype)
        self.negated: TracedArray | None = None
        self.unknown = False
        self.sizes: tuple[int | None, ...] = ()
        self.joined: tuple[Sequence[TracedArray], int] | None = None
        self.reshaped: TracedArray | None = None

    def __array_namespace__(self) -> Any:
        """Return this module: NumPy's functions by NumPy's names are below."""
        return sys.modules[__name__]

    def astype(self, dtype: Any) -> TracedArray:
        """Return the values as another type."""
        if self.dtype == np.dtype(dtype):
            return self
        return self.graph.node(
            "Cast", self, ndim=self.ndim, dtype=dtype, to=self.graph.type_code(dtype)
        )

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

    def __rmatmul__(self, other: Any) -> TracedArray:
        return self.numbers().like(other) @ self

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
        if least == 0 and most is None:
            return self.apply("Relu")  # which runtimes fuse with the layer before
        bounds = [None if bound is None else self.like(bound) for bound in (least, most)]
        return self.graph.node("Clip", self, *bounds, ndim=self.ndim, dtype=self.dtype)

    def prod(self, axis: int) -> TracedArray:
        """Product along an axis."""
        return self.reduce("ReduceProd", axis)

    def reshape(self, *shape: int) -> TracedArray:
        """Return it in a shape whose first size is that of the first axis, however it is given."""
        source = self.reshaped or self
        sizes = self.graph.constant([0, *shape[1:]], np.int64)
        result = self.graph.node("Reshape", source, sizes, ndim=len(shape), dtype=self.dtype)
        result.reshaped, result.sizes = source, (None, *shape[1:])
        return result

    def swapaxes(self, first: int, second: int) -> TracedArray:
        """Return it with two axes exchanged."""
        order = list(range(self.ndim))
        order[first], order[second] = second, first
        return self.graph.node("Transpose", self, ndim=self.ndim, dtype=self.dtype, perm=order)

    def reduce(self, operator: str, axis: int) -> TracedArray:
        """Apply an operator that takes its axis as an attribute and removes it."""
        return self.graph.node(
            operator, self, ndim=self.ndim - 1, dtype=self.dtype, axes=[axis], keepdims=0
        )

    @property
    def T(self) -> TracedArray:  # noqa: N802
        """The two axes exchanged."""
        return self.swapaxes(0, 1)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Sizes, as far as they are known: those of inputs, and what something is reshaped to."""
        return self.sizes or (None,) * self.ndim


def isnan(array: TracedArray) -> TracedArray:
    """As `numpy.isnan`."""
    result = array.apply("IsNaN", dtype=bool)
    result.unknown = array.unknown
    return result


def abs(array: TracedArray) -> TracedArray:
    """As `numpy.abs`."""
    return array.apply("Abs")


def sqrt(array: TracedArray) -> TracedArray:
    """As `numpy.sqrt`."""
    return array.apply("Sqrt")


def exp(array: TracedArray) -> TracedArray:
    """As `numpy.exp`."""
    return array.apply("Exp")


def log(array: TracedArray) -> TracedArray:
    """As `numpy.log`."""
    return array.apply("Log")


def log1p(array: TracedArray) -> TracedArray:
    """As `numpy.log1p`."""
    return (1 + array).apply("Log")


def clip(array: TracedArray, least: Any, most: Any) -> TracedArray:
    """As `numpy.clip`."""
    return array.clip(least, most)


def maximum(array: TracedArray, other: Any) -> TracedArray:
    """As `numpy.maximum`."""
    return array.apply("Max", other)


def minimum(array: TracedArray, other: Any) -> TracedArray:
    """As `numpy.minimum`."""
    return array.apply("Min", other)


def amax(array: TracedArray, axis: int) -> TracedArray:
    """As `numpy.amax`."""
    return array.reduce("ReduceMax", axis)


def amin(array: TracedArray, axis: int) -> TracedArray:
    """As `numpy.amin`."""
    return array.reduce("ReduceMin", axis)


def where(condition: TracedArray, array: Any, other: Any) -> TracedArray:
    """As `numpy.where`."""
    if condition.unknown:
        same: TracedArray = other.like(array)
        return same
    if condition.negated is not None:
        condition, array, other = condition.negated, other, array
    first = array if isinstance(array, TracedArray) else other
    graph = condition.graph
    real = first.numbers() if isinstance(first, TracedArray) else graph.constant(first)
    values = real.like(array), real.like(other)
    ndim = max(condition.ndim, *(value.ndim for value in values))
    return graph.node("Where", condition, *values, ndim=ndim, dtype=real.dtype)


def concatenate(arrays: Sequence[TracedArray], axis: int) -> TracedArray:
    """As `numpy.concatenate`."""
    parts = [part for array in arrays for part in _parts(array, axis)]
    first = parts[0]
    result = first.graph.node("Concat", *parts, ndim=first.ndim, dtype=first.dtype, axis=axis)
    result.unknown = all(part.unknown for part in parts)
    result.joined = parts, axis
    return result


def _parts(array: TracedArray, axis: int) -> Sequence[TracedArray]:
    """Return what an array was concatenated of along that axis, else the array."""
    if array.joined is None or array.joined[1] != axis:
        return [array]
    return array.joined[0]


def stack(arrays: Sequence[TracedArray], axis: int) -> TracedArray:
    """As `numpy.stack`."""
    if arrays[0].ndim == axis == 1:  # columns: rows are joined and turned, in three nodes
        graph, dtype = arrays[0].graph, arrays[0].dtype
        shape = graph.constant([len(arrays), -1], np.int64)
        rows = graph.node("Reshape", concatenate(arrays, 0), shape, ndim=2, dtype=dtype)
        return rows.T
    return concatenate([array[_new_axis(axis)] for array in arrays], axis)


def cumsum(array: TracedArray, axis: int) -> TracedArray:
    """As `numpy.cumsum`."""
    along = array.graph.constant(axis, np.int64)
    return array.graph.node("CumSum", array, along, ndim=array.ndim, dtype=array.dtype)


def _new_axis(axis: int) -> tuple[Any, ...]:
    return (*[slice(None)] * axis, None)
