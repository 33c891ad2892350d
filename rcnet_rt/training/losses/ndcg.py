"""Discounted cumulative gain, the basis of three losses.

A pose of OKS y gains 2^y - 1, divided by log2(1 + its rank). A pose of weight w takes w ranks, so
that one of weight 0 has no effect.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["EPSILON", "discounts", "gains", "ideal", "ranks"]

EPSILON = 1e-10  # lower bound of the ideal gain, which is 0 if all targets are 0


def gains(targets: Tensor) -> Tensor:
    """Return (P,) gains 2^y - 1 of targets in [0, 1]."""
    return torch.exp2(targets) - 1


def discounts(rank: Tensor) -> Tensor:
    """Return (P,) discounts of ranks from 1."""
    return 1 / torch.log2(1 + rank)


def ranks(values: Tensor, weights: Tensor) -> Tensor:
    """Return (P,) ranks from 1 of values, the largest first, stable for equal ones.

    >>> ranks(torch.tensor([0.1, 0.9, 0.5]), torch.ones(3)).tolist()
    [3.0, 1.0, 2.0]
    """
    order = torch.argsort(values, descending=True, stable=True)
    taken = torch.cumsum(weights[order], 0) - weights[order]
    return torch.zeros_like(weights).scatter(0, order, 1 + taken)


def ideal(targets: Tensor, weights: Tensor) -> Tensor:
    """Return the gain of the optimal ranking, at least `EPSILON`."""
    perfect = weights * gains(targets) * discounts(ranks(targets, weights))
    return perfect.sum().clamp_min(EPSILON)
