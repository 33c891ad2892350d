"""Losses of each pose by itself: L1, squared error, cross-entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from rcnet_rt.training.losses.averages import weighted_mean

__all__ = ["absolute_error", "cross_entropy", "squared_error"]


def absolute_error(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of |target - score| over (P,) poses."""
    return weighted_mean((targets - scores).abs(), weights)


def squared_error(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of (target - score)² over (P,) poses: DEKR's loss."""
    return weighted_mean((targets - scores) ** 2, weights)


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean cross-entropy of (P,) targets in [0, 1] and sigmoid(logits)."""
    return weighted_mean(
        binary_cross_entropy_with_logits(logits, targets, reduction="none"), weights
    )
