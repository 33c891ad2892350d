"""Base scores: hand-made formulas of the raw score and the joint scores, by name.

The residual network corrects one of these, and `formula:NAME` uses one alone. They are also the
peers that learned weights must beat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rcnet_rt.errors import WeightsError
from rcnet_rt.poses.arrays import EPSILON, Array, logit, namespace
from rcnet_rt.rescoring.batch import PackedPoses
from rcnet_rt.rescoring.nms_consensus import CANDIDATE_OKS
from rcnet_rt.rescoring.score_reference import CONFIDENT

__all__ = ["FORMULAS", "STANDING", "Formula", "base_logit", "get"]

STANDING = "standing"
LEAST_OKS = 0.3  # below it candidates and second looks are of somebody else, or of nobody
# Mean of YOLOv8n-pose at a score_times_confidence s, as a + b s.
USUAL_CANDIDATE_OKS = (0.75, 0.23)
USUAL_AGREEMENT = (0.14, 0.84)


@dataclass(frozen=True)
class Formula:
    """A named base score.

    Attributes:
        compute: packed poses -> (P,) values.
        summary: what it is, in a line.
        bounded: whether values stay in [0, 1] where the raw scores do; unbounded values x become
            x / (x + scale).
        least: unbounded values, over their scale, are raised to this before their logit is taken.
        automatic: whether training may choose it by itself; not what asks for more than the poses.
    """

    compute: Callable[[PackedPoses], Array]
    summary: str
    bounded: bool = True
    least: float = EPSILON
    automatic: bool = True


def _mean_confidence(poses: PackedPoses) -> Array:
    """Mean of the joint scores above 0.2; 0 for a pose with none."""
    xp = namespace(poses.scores)
    confident = poses.keypoint_scores > CONFIDENT
    total = (poses.keypoint_scores * confident).sum(axis=1)
    return total / xp.clip(confident.sum(axis=1), 1, None)


def _times_confidence(poses: PackedPoses) -> Array:
    return poses.scores * _mean_confidence(poses)


def _times_consensus(poses: PackedPoses) -> Array:
    score = _times_confidence(poses)
    return score * _known_or(poses.consensus[:, CANDIDATE_OKS], USUAL_CANDIDATE_OKS, score)


def _times_agreement(poses: PackedPoses) -> Array:
    usual = _known_or(poses.agreement, USUAL_AGREEMENT, _times_confidence(poses))
    return _times_consensus(poses) * usual


def _known_or(oks: Array, usual: tuple[float, float], score: Array) -> Array:
    """An OKS in [0.3, 1], or what is usual at such a score where it is not known.

    What is usual rises with the score, so that poses of which nothing is known keep their order,
    and those of which it is known are above or below them by what they are better or worse.
    """
    xp = namespace(score)
    least, rise = usual
    return xp.clip(xp.where(xp.isnan(oks), least + rise * score, oks), LEAST_OKS, 1)


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
            _times_confidence,
            "score × mean of the joint scores above 0.2",
        ),
        "score_times_consensus": Formula(
            _times_consensus,
            "score_times_confidence × mean OKS of the candidates with the pose",
            automatic=False,
        ),
        "score_times_agreement": Formula(
            _times_agreement,
            "score_times_consensus × OKS × √score of a second look",
            automatic=False,
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
            automatic=False,
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
