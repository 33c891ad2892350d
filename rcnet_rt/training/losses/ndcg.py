"""Discounted cumulative gain, which three losses are made of.

A pose of OKS y gains 2^y - 1, divided by log2(1 + its place). One of weight w takes w places, so
that one of weight 0 is not there.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["EPSILON", "discounts", "gains", "ideal", "places"]

EPSILON = 1e-10  # stands for an ideal gain of 0, where no pose is right


def gains(targets: Tensor) -> Tensor:
    """Return (P,) gains 2^y - 1 of targets in [0, 1]."""
    return torch.exp2(targets) - 1


def discounts(place: Tensor) -> Tensor:
    """Return (P,) discounts of places from 1."""
    return 1 / torch.log2(1 + place)


def places(values: Tensor, weights: Tensor) -> Tensor:
    """Return (P,) places from 1 of values, the largest first; equal ones in their order.

    >>> places(torch.tensor([0.1, 0.9, 0.5]), torch.ones(3)).tolist()
    [3.0, 1.0, 2.0]
    """
    order = torch.argsort(values, descending=True, stable=True)
    taken = torch.cumsum(weights[order], 0) - weights[order]
    return torch.zeros_like(weights).scatter(0, order, 1 + taken)


def ideal(targets: Tensor, weights: Tensor) -> Tensor:
    """Return the gain of the perfect order, at least `EPSILON`."""
    perfect = weights * gains(targets) * discounts(places(targets, weights))
    return perfect.sum().clamp_min(EPSILON)
