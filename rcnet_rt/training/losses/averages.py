"""The weighted mean used by several losses."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["weighted_mean"]


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of values with weights of the same shape; 0 if all weights are 0."""
    return (values * weights).sum() / weights.sum().clamp_min(torch.finfo(values.dtype).tiny)
