"""One way of writing for two kinds of arrays: the functions that NumPy and torch both spell alike.

Formulas, features and calibration are written once, in these, so that training (torch) and running
(NumPy, torch on any device) cannot drift apart. torch is imported only where a tensor shows up.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "Array",
    "Constant",
    "as_tensor",
    "clip_low",
    "float32_of",
    "is_torch",
    "logit",
    "namespace",
    "numbers",
    "sigmoid",
]

Array = Any  # numpy.ndarray, torch.Tensor, or another that says which functions take it
EPSILON = 1e-4  # scores are kept this far from 0 and 1 before their logit is taken


def is_torch(array: object) -> bool:
    """Return whether this is a torch tensor, without importing torch to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def namespace(array: Array) -> Any:
    """Return what holds the functions that take this array: numpy, torch, or what itself says."""
    if is_torch(array):
        return sys.modules["torch"]
    own = getattr(array, "__array_namespace__", None)
    return np if own is None else own()


def as_tensor(array: Array, **kind: Any) -> Array:
    """Return `torch.as_tensor(array, **kind)`; of what torch does not take, a copy.

    That is an array that is read-only or has negative strides.
    """
    import torch

    if isinstance(array, np.ndarray) and not (array.flags.writeable and min(array.strides) >= 0):
        array = array.copy()
    return torch.as_tensor(array, **kind)


def float32_of(values: Any) -> npt.NDArray[np.float32]:
    """Return numbers from a file in single precision; those beyond it become infinite.

    Raises:
        ValueError: they are not numbers, no float can hold one, or lists differ in length.

    >>> float32_of([0.5, None, 1e300]).tolist()
    [0.5, nan, inf]
    """
    try:
        with np.errstate(over="ignore"):
            return np.array(values, np.float32)
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from error


def clip_low(array: Array, least: float) -> Array:
    """Return the array with what is smaller raised: `clip`, without what NumPy's costs for few."""
    return np.maximum(array, least) if namespace(array) is np else array.clip(least, None)


def numbers(mask: Array, like: Array) -> Array:
    """Return booleans as 0 and 1 of the type that `like` has."""
    return mask.to(like.dtype) if is_torch(mask) else mask.astype(like.dtype)


class Constant:
    """Numbers that meet arrays of any kind; copied to a GPU only once.

    >>> Constant([1, 2]).like(np.zeros(3)).tolist()
    [1.0, 2.0]
    """

    def __init__(self, values: Any) -> None:
        self._values: npt.NDArray[np.float64] = np.asarray(values, dtype=np.float64)
        self._tensors: dict[Any, Any] = {}

    def like(self, array: Array) -> Array:
        """Return them as a tensor of the array's type beside it, if it is one; else as NumPy."""
        if not is_torch(array):
            return self._values
        kind = array.dtype, array.device
        if kind not in self._tensors:
            torch = namespace(array)
            with torch.inference_mode(False):
                self._tensors[kind] = torch.tensor(self._values, dtype=kind[0], device=kind[1])
        return self._tensors[kind]


def logit(score: Array) -> Array:
    """Return log(score / (1 - score)), the score first brought into [1e-4, 1 - 1e-4].

    >>> float(logit(np.array(0.5)))
    0.0
    """
    xp = namespace(score)
    bounded = xp.clip(score, EPSILON, 1 - EPSILON)
    return xp.log(bounded / (1 - bounded))


def sigmoid(value: Array) -> Array:
    """Return 1 / (1 + exp(-value)), without overflow."""
    xp = namespace(value)
    small = xp.exp(-xp.abs(value))
    return xp.where(value >= 0, 1 / (1 + small), small / (1 + small))
