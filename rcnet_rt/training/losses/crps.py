"""The continuous ranked probability score (paper, appendix G): scores spread like the targets."""

from __future__ import annotations

import torch
from torch import Tensor

from rcnet_rt.training.losses.averages import weighted_mean
from rcnet_rt.training.losses.pointwise import absolute_error

__all__ = ["crps_loss"]


def crps_loss(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return mean |target - score| - half the mean |difference| over all pairs of poses.

    It ignores the order of a pair: scores are pushed apart whichever pose is better. Scores (P,) in
    [0, 1], targets (P,) in [0, 1], weights (P,).
    """
    differences = (scores[:, None] - scores[None, :]).abs()
    both = weights[:, None] * weights[None, :]
    spread = weighted_mean(differences, both - torch.diag(both.diagonal()))
    return absolute_error(scores, targets, weights) - spread / 2
