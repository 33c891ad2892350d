"""DR loss (Qian et al., CVPR 2020): rank the worst positive poses above the best negative ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["dr_loss"]

MARGIN = 0.5
SHARPNESS = 6.0  # L
SCALE = 4.0  # tau
NEGATIVE_LAMBDA = 0.1 / math.log(3.5)
POSITIVE_LAMBDA = 1.0


def dr_loss(scores: Tensor, targets: Tensor, weights: Tensor, positive: float = 0.5) -> Tensor:
    """Return a smooth hinge on the difference of the means of negative and positive poses.

    The means are weighted towards the lowest positive and the highest negative scores. Without
    positive poses their mean is 1, without negative ones theirs is 0. Over the whole batch.

    Args:
        scores: (P,) in [0, 1].
        targets: (P,) matched OKS in [0, 1].
        weights: (P,); a pose of weight w counts as w poses.
        positive: matched OKS from which a pose is positive; 0.5 is COCO's lowest threshold.
    """
    is_positive = (targets >= positive) * weights
    highest = _exponential_mean(scores, weights - is_positive, 1 / NEGATIVE_LAMBDA)
    lowest = _exponential_mean(scores, is_positive, -1 / POSITIVE_LAMBDA)
    lowest = torch.where(is_positive.sum() > 0, lowest, 1.0)
    return SCALE / SHARPNESS * softplus(SHARPNESS * (highest - lowest + MARGIN))


def _exponential_mean(scores: Tensor, weights: Tensor, rate: float) -> Tensor:
    """Return the mean of scores with weights w exp(rate × score); 0 if all weights are 0."""
    share = weights * torch.exp(rate * scores)
    return (share * scores).sum() / share.sum().clamp_min(torch.finfo(scores.dtype).tiny)
