"""NumPy's functions, by NumPy's names, for the arrays of `rcnet_rt.backends.onnx_tracing`.

What each does, NumPy's own documentation says.
"""

# ruff: noqa: A001, D103

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rcnet_rt.backends.onnx_tracing import TracedArray

__all__ = [
    "abs",
    "amax",
    "amin",
    "clip",
    "concatenate",
    "cumsum",
    "exp",
    "isnan",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "sqrt",
    "stack",
    "where",
]


def isnan(array: TracedArray) -> TracedArray:
    result = array.apply("IsNaN", dtype=bool)
    result.unknown = array.unknown
    return result


def abs(array: TracedArray) -> TracedArray:
    return array.apply("Abs")


def sqrt(array: TracedArray) -> TracedArray:
    return array.apply("Sqrt")


def exp(array: TracedArray) -> TracedArray:
    return array.apply("Exp")


def log(array: TracedArray) -> TracedArray:
    return array.apply("Log")


def log1p(array: TracedArray) -> TracedArray:
    return (1 + array).apply("Log")


def clip(array: TracedArray, least: Any, most: Any) -> TracedArray:
    return array.clip(least, most)


def maximum(array: TracedArray, other: Any) -> TracedArray:
    return array.apply("Max", other)


def minimum(array: TracedArray, other: Any) -> TracedArray:
    return array.apply("Min", other)


def amax(array: TracedArray, axis: int) -> TracedArray:
    return array.reduce("ReduceMax", axis)


def amin(array: TracedArray, axis: int) -> TracedArray:
    return array.reduce("ReduceMin", axis)


def where(condition: TracedArray, array: Any, other: Any) -> TracedArray:
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
    first = arrays[0]
    joined = first.graph.node("Concat", *arrays, ndim=first.ndim, dtype=first.dtype, axis=axis)
    joined.unknown = all(array.unknown for array in arrays)
    return joined


def stack(arrays: Sequence[TracedArray], axis: int) -> TracedArray:
    if arrays[0].ndim == axis == 1:  # columns: rows are joined and turned, in three nodes
        graph, dtype = arrays[0].graph, arrays[0].dtype
        shape = graph.constant([len(arrays), -1], np.int64)
        rows = graph.node("Reshape", concatenate(arrays, 0), shape, ndim=2, dtype=dtype)
        return rows.T
    return concatenate([array[_new_axis(axis)] for array in arrays], axis)


def cumsum(array: TracedArray, axis: int) -> TracedArray:
    along = array.graph.constant(axis, np.int64)
    return array.graph.node("CumSum", array, along, ndim=array.ndim, dtype=array.dtype)


def _new_axis(axis: int) -> tuple[Any, ...]:
    return (*[slice(None)] * axis, None)
