"""The weighted mean that the losses share."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["weighted_mean"]


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of values by weights of the same shape; 0 where nothing has weight."""
    return (values * weights).sum() / weights.sum().clamp_min(torch.finfo(values.dtype).tiny)
