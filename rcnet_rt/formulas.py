"""Base scores: hand-made formulas of the raw score and the joint scores, by name.

The residual network corrects one of these, and `formula:NAME` uses one alone. They are also the
peers that learned weights must beat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rcnet_rt.arrays import EPSILON, Array, logit, namespace
from rcnet_rt.consensus import CANDIDATE_OKS
from rcnet_rt.errors import WeightsError
from rcnet_rt.packing import PackedPoses

__all__ = ["FORMULAS", "STANDING", "Formula", "base_logit", "get"]

STANDING = "standing"
USUAL_CANDIDATE_OKS, LEAST_CANDIDATE_OKS = 0.9, 0.3
CONFIDENT = 0.2  # joints above this enter the mean (mmpose's keypoint_score_thr)


@dataclass(frozen=True)
class Formula:
    """A named base score.

    Attributes:
        compute: packed poses -> (P,) values.
        summary: what it is, in a line.
        bounded: whether values stay in [0, 1] where the raw scores do; unbounded values x become
            x / (x + scale).
        least: unbounded values, over their scale, are raised to this before their logit is taken.
    """

    compute: Callable[[PackedPoses], Array]
    summary: str
    bounded: bool = True
    least: float = EPSILON


def _mean_confidence(poses: PackedPoses) -> Array:
    """Mean of the joint scores above 0.2; 0 for a pose with none."""
    xp = namespace(poses.scores)
    confident = poses.keypoint_scores > CONFIDENT
    total = (poses.keypoint_scores * confident).sum(axis=1)
    return total / xp.clip(confident.sum(axis=1), 1, None)


def _candidate_oks(poses: PackedPoses) -> Array:
    """Mean OKS of the candidates with the pose, in [0.3, 1]; a usual one where it is not known."""
    xp = namespace(poses.scores)
    oks = poses.consensus[:, CANDIDATE_OKS]
    return xp.clip(xp.where(xp.isnan(oks), USUAL_CANDIDATE_OKS, oks), LEAST_CANDIDATE_OKS, 1)


def _joints(poses: PackedPoses) -> Array:
    return poses.found.sum(axis=1)


def _bbox_rle(poses: PackedPoses) -> Array:
    xp = namespace(poses.scores)
    mean = poses.keypoint_scores.mean(axis=1)
    return poses.scores + mean + xp.amax(poses.keypoint_scores, 1)


FORMULAS: Mapping[str, Formula] = MappingProxyType(
    {
        "score": Formula(lambda poses: poses.scores, "the estimator's own score"),
        "mean_confidence": Formula(_mean_confidence, "mean of the joint scores above 0.2"),
        "score_times_confidence": Formula(
            lambda poses: poses.scores * _mean_confidence(poses),
            "score × mean of the joint scores above 0.2",
        ),
        "score_times_consensus": Formula(
            lambda poses: poses.scores * _mean_confidence(poses) * _candidate_oks(poses),
            "score × mean of the joint scores above 0.2 × mean OKS of the candidates",
        ),
        "score_plus_confidence": Formula(
            _bbox_rle, "score + mean + maximum of the joint scores", bounded=False
        ),
        "score_times_joints": Formula(
            lambda poses: poses.scores * (_joints(poses) - 1).clip(0, None),
            "score × (joints found - 1)",
            bounded=False,
        ),
        "score_times_parts": Formula(
            lambda poses: poses.scores * _joints(poses) * (_joints(poses) + 1),
            "score × joints found × (joints found + 1)",
            bounded=False,
        ),
        "unbounded_score": Formula(
            lambda poses: poses.scores, "the estimator's own score, where it may pass 1", False
        ),
        STANDING: Formula(
            lambda poses: 1 / poses.standing,
            "1 / poses per picture that score at least this: the raw order, comparable between "
            "estimators",
            bounded=False,
            least=1e-7,  # far below any standing of use: no ties
        ),
    }
)


def get(name: str) -> Formula:
    """Return the formula of that name.

    Raises:
        WeightsError: no formula has that name.
    """
    try:
        return FORMULAS[name]
    except KeyError:
        raise WeightsError(
            f"unknown formula {name!r}; known are {', '.join(sorted(FORMULAS))}"
        ) from None


def base_logit(name: str, poses: PackedPoses, scale: float = 1.0) -> Array:
    """Return (P,) logits of the base score of that name.

    A bounded formula's value v is clipped to [1e-4, 1 - 1e-4]; an unbounded one's becomes
    v / (v + scale), whose logit is log(v / scale): strictly increasing, so that no ties arise
    above its least value.

    Raises:
        WeightsError: no formula has that name.
    """
    formula = get(name)
    value = formula.compute(poses)
    if formula.bounded:
        return logit(value)
    xp = namespace(value)
    return xp.log(xp.clip(value / scale, formula.least, None))
