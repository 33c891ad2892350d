"""The loss of the joint head: log loss of the confidence, and two terms for the covariance.

The pinball loss makes the 90 % ellipse reach as far as 90 % of the errors of such joints do; a
Gaussian likelihood would let the few errors of a whole limb decide. The shape of the ellipse, of
determinant 1, is that of a Student t distribution of the same 90 % quantile.

A pinball loss hardly changes when the ellipses of one estimator cover a little too much and those
of another too little. `coverage_loss` measures just that.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from rcnet_rt.rescoring.joint_head import COVERAGE, COVERED, squared_distance

__all__ = ["MIN_SQUARE", "coverage_loss", "joint_loss"]

FREEDOM = 3.0  # degrees of freedom of the Student t distribution
# Its 0.9 quantile of the squared distance in two dimensions, in units of its squared scale.
QUANTILE = FREEDOM * ((1 - COVERAGE) ** (-2 / FREEDOM) - 1)
SHAPE_WEIGHT = 0.3
SPREAD_WEIGHT = 0.5
# Occluded joints are a tenth of the annotated ones and much farther off; nothing says at run time
# which they are, so that ellipses would cover them less.
OCCLUDED_WEIGHT = 3.0
COVERAGE_OF_JOINTS_WEIGHT = 3.0
COVERAGE_OF_OCCLUDED_WEIGHT = 5.0
MIN_COUNT = 5  # joints of a kind in a batch, for their share in the ellipses to tell anything
SOFTNESS = 0.3  # of the edge of an ellipse, as log of a distance; for the gradient only
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
    squares, log_variance = squared_distance(outputs, errors).clip(MIN_SQUARE), outputs[:, 1]
    scale = COVERED / QUANTILE * log_variance.detach().exp()
    shape = (FREEDOM + 2) / 2 * torch.log1p(squares / (FREEDOM * scale))
    beyond = _beyond(outputs, errors)
    spread = torch.maximum(COVERAGE * beyond, (COVERAGE - 1) * beyond)
    emphasis = judged * (1 + (OCCLUDED_WEIGHT - 1) * occluded)
    return (
        _mean(log_loss, counted)
        + SHAPE_WEIGHT * _mean(shape, judged)
        + SPREAD_WEIGHT * _mean(spread, emphasis)
    )


def coverage_loss(
    outputs: Tensor, errors: Tensor, judged: Tensor, occluded: Tensor, estimators: Tensor
) -> Tensor:
    """Return how far the shares of joints in their ellipses are from 90 %, squared and summed.

    They are the shares of each joint of each estimator, and of the occluded joints of each.

    Args:
        outputs: (P, 4, K) of `joint_head.head_outputs`.
        errors: (P, K, 2), finite.
        judged: (P, K) 1 or 0, like occluded and estimators.
        occluded: (P, K).
        estimators: (P, E) which of the estimators a pose is of.
    """
    beyond = _beyond(outputs, errors)
    soft = torch.sigmoid(-beyond / SOFTNESS)
    inside = soft + ((beyond <= 0).float() - soft).detach()
    hidden = judged * occluded
    joints = _miscoverage(estimators.T @ (inside * judged), estimators.T @ judged)
    occluded_joints = _miscoverage(
        (estimators.T @ (inside * hidden)).sum(1), (estimators.T @ hidden).sum(1)
    )
    return COVERAGE_OF_JOINTS_WEIGHT * joints + COVERAGE_OF_OCCLUDED_WEIGHT * occluded_joints


def _miscoverage(inside: Tensor, count: Tensor) -> Tensor:
    missed: Tensor = (inside / count.clip(1) - COVERAGE) ** 2
    return (missed * (count >= MIN_COUNT)).sum()


def _beyond(outputs: Tensor, errors: Tensor) -> Tensor:
    """Return (P, K) logs of the distances, 0 at the edge of the ellipse; its shape is constant."""
    squares = squared_distance(outputs, errors).detach().clip(MIN_SQUARE)
    beyond: Tensor = (squares.log() - outputs[:, 1] - torch.tensor(COVERED).log()) / 2
    return beyond


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clip(1e-6)
