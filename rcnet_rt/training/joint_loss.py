"""The loss of the joint head: log loss of the confidence, and two terms for the covariance.

The pinball loss makes the 90 % ellipse reach as far as 90 % of the errors of such joints do; a
Gaussian likelihood would let the few errors of a whole limb decide. The shape of the ellipse, of
determinant 1, is that of a Student t distribution of the same 90 % quantile.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from rcnet_rt.rescoring.joint_head import COVERAGE, COVERED, squared_distance

__all__ = ["MIN_SQUARE", "joint_loss"]

FREEDOM = 3.0  # degrees of freedom of the Student t distribution
# Its 0.9 quantile of the squared distance in two dimensions, in units of its squared scale.
QUANTILE = FREEDOM * ((1 - COVERAGE) ** (-2 / FREEDOM) - 1)
SHAPE_WEIGHT = 0.3
SPREAD_WEIGHT = 0.5
# Occluded joints are a tenth of the annotated ones and much farther off; nothing says at run time
# which they are, so that ellipses would cover them less.
OCCLUDED_WEIGHT = 3.0
MIN_SQUARE = 1e-10  # of an error, in shares of the pose's area


def joint_loss(
    outputs: Tensor,
    found: Tensor,
    right: Tensor,
    errors: Tensor,
    judged: Tensor,
    occluded: Tensor,
    weights: Tensor,
) -> Tensor:
    """Return the loss of P poses; all but `outputs` as in `joint_examples.JointExamples`.

    Args:
        outputs: (P, 4, K) of `joint_head.head_outputs`.
        found: (P, K) 1 or 0, like right, judged and occluded.
        right: (P, K).
        errors: (P, K, 2), finite.
        judged: (P, K).
        occluded: (P, K).
        weights: (P,).
    """
    counted = found * weights[:, None]
    log_loss = F.binary_cross_entropy_with_logits(outputs[:, 0], right, reduction="none")
    squares = squared_distance(outputs, errors).clip(MIN_SQUARE)
    log_variance = outputs[:, 1]
    scale = COVERED / QUANTILE * log_variance.detach().exp()
    shape = (FREEDOM + 2) / 2 * torch.log1p(squares / (FREEDOM * scale))
    beyond = (squares.detach().log() - log_variance - torch.tensor(COVERED).log()) / 2
    spread = torch.maximum(COVERAGE * beyond, (COVERAGE - 1) * beyond)
    emphasis = judged * (1 + (OCCLUDED_WEIGHT - 1) * occluded)
    return (
        _mean(log_loss, counted)
        + SHAPE_WEIGHT * _mean(shape, judged)
        + SPREAD_WEIGHT * _mean(spread, emphasis)
    )


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clip(1e-6)
