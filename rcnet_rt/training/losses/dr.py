"""DR loss (Qian et al., CVPR 2020): the worst of the right poses above the best of the wrong."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["dr_loss"]

MARGIN = 0.5
SHARPNESS = 6.0  # L
SCALE = 4.0  # tau
WRONG_LAMBDA = 0.1 / math.log(3.5)
RIGHT_LAMBDA = 1.0


def dr_loss(scores: Tensor, targets: Tensor, weights: Tensor, positive: float = 0.5) -> Tensor:
    """Return a smooth hinge on the distance of two means: of the right poses and of the wrong.

    The means lean to the smallest scores of the right poses and to the largest of the wrong ones.
    Without a right pose theirs is 1, without a wrong one theirs is 0. The list is the whole batch.

    Args:
        scores: (P,) in [0, 1].
        targets: (P,) matched OKS in [0, 1].
        weights: (P,); a pose of weight w counts as w poses.
        positive: matched OKS from which a pose is right; 0.5 is COCO's lowest threshold.
    """
    right = (targets >= positive) * weights
    wrong = _leaning_mean(scores, weights - right, 1 / WRONG_LAMBDA)
    lowest = _leaning_mean(scores, right, -1 / RIGHT_LAMBDA)
    lowest = torch.where(right.sum() > 0, lowest, 1.0)
    return SCALE / SHARPNESS * softplus(SHARPNESS * (wrong - lowest + MARGIN))


def _leaning_mean(scores: Tensor, weights: Tensor, lean: float) -> Tensor:
    """Return the mean of scores by weight × exp(lean × score); 0 where nothing has weight."""
    share = weights * torch.exp(lean * scores)
    return (share * scores).sum() / share.sum().clamp_min(torch.finfo(scores.dtype).tiny)
