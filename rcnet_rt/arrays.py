"""One way of writing for two kinds of arrays: the functions that NumPy and torch both spell alike.

Formulas, features and calibration are written once, in these, so that training (torch) and running
(NumPy, torch on any device) cannot drift apart. torch is imported only where a tensor shows up.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

__all__ = ["Array", "is_torch", "logit", "namespace", "sigmoid"]

Array = Any  # numpy.ndarray or torch.Tensor
EPSILON = 1e-4  # scores are kept this far from 0 and 1 before their logit is taken


def is_torch(array: object) -> bool:
    """Return whether this is a torch tensor, without importing torch to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def namespace(array: Array) -> Any:
    """Return the module whose functions take this array: numpy or torch."""
    return sys.modules["torch"] if is_torch(array) else np


def logit(score: Array) -> Array:
    """Return log(score / (1 - score)), the score first brought into [1e-4, 1 - 1e-4].

    >>> float(logit(np.array(0.5)))
    0.0
    """
    xp = namespace(score)
    bounded = xp.clip(score, EPSILON, 1 - EPSILON)
    return xp.log(bounded) - xp.log(1 - bounded)


def sigmoid(value: Array) -> Array:
    """Return 1 / (1 + exp(-value)), without overflow."""
    xp = namespace(value)
    small = xp.exp(-xp.abs(value))
    return xp.where(value >= 0, 1 / (1 + small), small / (1 + small))
