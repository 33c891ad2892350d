"""Base scores: hand-made baselines of the raw score and the joint scores, by name.

The residual network corrects one of these, and `formula:NAME` uses one alone. They are also the
peers that learned weights must beat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rcnet_rt.errors import WeightsError
from rcnet_rt.poses.arrays import EPSILON, Array, logit, namespace, numbers
from rcnet_rt.rescoring.batch import PoseBatch
from rcnet_rt.rescoring.constants import (
    CONFIDENT,
    JOINT_POWER,
    MIN_CONFIDENCE,
    MIN_OKS,
    RANK_AT_ONE_HALF,
    USUAL_AGREEMENT,
    USUAL_CANDIDATE_OKS,
)
from rcnet_rt.rescoring.joint_correlation import unexplained_share
from rcnet_rt.rescoring.nms_consensus import CANDIDATE_OKS

__all__ = [
    "BASELINES",
    "EXPECTED_RANK",
    "RANK_TIMES_CONFIDENCE",
    "Baseline",
    "baseline_logit",
    "current_name",
    "get",
]

EXPECTED_RANK, RANK_TIMES_CONFIDENCE = "expected_rank", "rank_times_confidence"
MIN_ODDS = 1e-7  # far below any expected rank of use: no ties
FORMER_NAMES = {"standing": EXPECTED_RANK}  # in weights files made before


@dataclass(frozen=True)
class Baseline:
    """A named baseline score.

    Attributes:
        compute: packed poses -> (P,) values.
        summary: what it is, in a line.
        bounded: whether values stay in [0, 1] where the raw scores do; unbounded values x become
            x / (x + scale).
        least: unbounded values, over their scale, are raised to this before their logit is taken.
        automatic: whether training may choose it by itself; not what asks for more than the poses.
        ranked: whether it reads expected ranks, which a `ScoreReference` makes better.
    """

    compute: Callable[[PoseBatch], Array]
    summary: str
    bounded: bool = True
    least: float = EPSILON
    automatic: bool = True
    ranked: bool = False


def _mean_confidence(poses: PoseBatch) -> Array:
    """Mean of the joint scores above 0.2; 0 for a pose with none."""
    xp = namespace(poses.scores)
    confident = poses.keypoint_scores > CONFIDENT
    total = (poses.keypoint_scores * confident).sum(axis=1)
    return total / xp.clip(confident.sum(axis=1), 1, None)


def _times_confidence(poses: PoseBatch) -> Array:
    return poses.scores * _mean_confidence(poses)


def _times_consensus(poses: PoseBatch) -> Array:
    score = _times_confidence(poses)
    return score * _known_or(poses.consensus[:, CANDIDATE_OKS], USUAL_CANDIDATE_OKS, score)


def _times_agreement(poses: PoseBatch) -> Array:
    usual = _known_or(poses.agreement, USUAL_AGREEMENT, _times_confidence(poses))
    return _times_consensus(poses) * usual


def _known_or(oks: Array, usual: tuple[float, float], score: Array) -> Array:
    """An OKS in [0.3, 1], or what is usual at such a score where it is not known.

    What is usual rises with the score, so that poses of which nothing is known keep their order,
    and those of which it is known are above or below them by what they are better or worse.
    """
    xp = namespace(score)
    intercept, slope = usual
    return xp.clip(xp.where(xp.isnan(oks), intercept + slope * score, oks), MIN_OKS, 1)


def _joints(poses: PoseBatch) -> Array:
    return poses.found.sum(axis=1)


def _bbox_rle(poses: PoseBatch) -> Array:
    xp = namespace(poses.scores)
    mean = poses.keypoint_scores.mean(axis=1)
    return poses.scores + mean + xp.amax(poses.keypoint_scores, 1)


def _rank_times_confidence(poses: PoseBatch) -> Array:
    """Odds of s × q: s is the score by its expected rank, q the confidence of the joints.

    s is 0.5 where `RANK_AT_ONE_HALF` poses an image score at least this; without a reference it is
    a score in [0, 0.9] itself. q is Σ c² / Σ c of the joint scores c, a mean in which those of
    joints that are not visible hardly count, × the share of joints found; its power fades where the
    scores contain the joints' confidence already.
    """
    xp = namespace(poses.scores)
    joints = xp.clip(poses.keypoint_scores, 0, 1)
    total = xp.clip(joints.sum(axis=1), MIN_CONFIDENCE, None)
    found = numbers(poses.found, poses.scores).mean(axis=1)
    confidence = (joints * joints).sum(axis=1) / total * found
    power = JOINT_POWER * unexplained_share(poses.joint_correlation)
    q = xp.exp(power * xp.log(xp.clip(confidence, MIN_CONFIDENCE, None)))
    return q / (poses.expected_rank / RANK_AT_ONE_HALF + (1 - q))


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "score": Baseline(lambda poses: poses.scores, "the estimator's own score"),
        "mean_confidence": Baseline(_mean_confidence, "mean of the joint scores above 0.2"),
        "score_times_confidence": Baseline(
            _times_confidence,
            "score × mean of the joint scores above 0.2",
        ),
        "score_times_consensus": Baseline(
            _times_consensus,
            "score_times_confidence × mean OKS of the candidates with the pose",
            automatic=False,
        ),
        "score_times_agreement": Baseline(
            _times_agreement,
            "score_times_consensus × OKS × √score of a recheck",
            automatic=False,
        ),
        "score_plus_confidence": Baseline(
            _bbox_rle, "score + mean + maximum of the joint scores", bounded=False
        ),
        "score_times_joints": Baseline(
            lambda poses: poses.scores * (_joints(poses) - 1).clip(0, None),
            "score × (joints found - 1)",
            bounded=False,
        ),
        "score_times_parts": Baseline(
            lambda poses: poses.scores * _joints(poses) * (_joints(poses) + 1),
            "score × joints found × (joints found + 1)",
            bounded=False,
        ),
        "unbounded_score": Baseline(
            lambda poses: poses.scores, "the estimator's own score, where it may pass 1", False
        ),
        EXPECTED_RANK: Baseline(
            lambda poses: 1 / poses.expected_rank,
            "1 / poses per image that score at least this: the raw order, comparable between "
            "estimators",
            bounded=False,
            least=MIN_ODDS,
            automatic=False,
            ranked=True,
        ),
        RANK_TIMES_CONFIDENCE: Baseline(
            _rank_times_confidence,
            "odds of the score by its expected rank × (self-weighted mean of the joint scores × "
            "share of joints found) to the power that the scores leave unexplained",
            bounded=False,
            least=MIN_ODDS,
            automatic=False,
            ranked=True,
        ),
    }
)


def current_name(name: str) -> str:
    """Return the name of a baseline today, whatever name it had in an older weights file.

    >>> current_name("standing")
    'expected_rank'
    """
    return FORMER_NAMES.get(name, name)


def get(name: str) -> Baseline:
    """Return the baseline of that name.

    Raises:
        WeightsError: no baseline has that name.
    """
    try:
        return BASELINES[current_name(name)]
    except KeyError:
        raise WeightsError(
            f"unknown baseline {name!r}; known are {', '.join(sorted(BASELINES))}"
        ) from None


def baseline_logit(name: str, poses: PoseBatch, scale: float = 1.0) -> Array:
    """Return (P,) logits of the base score of that name.

    A bounded baseline's value v is clipped to [1e-4, 1 - 1e-4]; an unbounded one's becomes
    v / (v + scale), whose logit is log(v / scale): strictly increasing, so that no ties arise
    above its least value.

    Raises:
        WeightsError: no baseline has that name.
    """
    baseline = get(name)
    value = baseline.compute(poses)
    if baseline.bounded:
        return logit(value)
    xp = namespace(value)
    return xp.log(xp.clip(value / scale, baseline.least, None))
