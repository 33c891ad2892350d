"""The baselines of `rescoring.baselines` for a compiled function on a CPU, one pose at a time."""

# Numba gives no types that a checker could see.
# mypy: ignore-errors

from __future__ import annotations

from math import exp, log, log1p

import numpy as np

from rcnet_rt.backends.numba_cache import between, jit
from rcnet_rt.poses.arrays import EPSILON
from rcnet_rt.rescoring.constants import (
    CONFIDENT,
    JOINT_POWER,
    MIN_CONFIDENCE,
    MIN_OKS,
    MIN_SCORE,
    RANK_AT_ONE_HALF,
    UNKNOWN_CORRELATION,
    USUAL_AGREEMENT,
    USUAL_CANDIDATE_OKS,
)
from rcnet_rt.rescoring.joint_correlation import unexplained_share

__all__ = ["BASELINES", "baseline_logit"]

BASELINES = (
    "score",
    "unbounded_score",
    "mean_confidence",
    "score_times_confidence",
    "score_times_consensus",
    "score_times_agreement",
    "score_plus_confidence",
    "score_times_joints",
    "score_times_parts",
    "expected_rank",
    "rank_times_confidence",
)
"""What the kernel knows; a baseline is a place in this list."""

(
    SCORE,
    UNBOUNDED_SCORE,
    MEAN_CONFIDENCE,
    TIMES_CONFIDENCE,
    TIMES_CONSENSUS,
    TIMES_AGREEMENT,
    PLUS_CONFIDENCE,
    TIMES_JOINTS,
    TIMES_PARTS,
    EXPECTED_RANK,
    RANK_TIMES_CONFIDENCE,
) = range(len(BASELINES))
POWER = JOINT_POWER * unexplained_share(UNKNOWN_CORRELATION)


@jit
def _known_or(oks, usual, score):
    return between(usual[0] + usual[1] * score if np.isnan(oks) else oks, MIN_OKS, 1.0)


@jit
def _expected_rank_alone(score):
    low = between(score, MIN_SCORE, 0.9)
    steady = 2 * (between(score, 0.9, 3.0) - 0.9)
    large = 0.5 * log(max(score, 3.0) / 3)
    below = log1p(max(MIN_SCORE - score, 0.0))
    return RANK_AT_ONE_HALF * exp(below - (log(low) - log(1 - low)) - steady - large)


@jit
def _rank_times_confidence(score, found, confidence):
    number, total, squares = 0, 0.0, 0.0
    for joint in range(len(confidence)):
        value = between(confidence[joint], 0.0, 1.0)
        number += found[joint]
        total += value
        squares += value * value
    sure = squares / max(total, MIN_CONFIDENCE) * (number / len(confidence))
    q = max(sure, MIN_CONFIDENCE) ** POWER
    return q / (_expected_rank_alone(score) / RANK_AT_ONE_HALF + (1 - q))


@jit
def _baseline(baseline, score, found, confidence, candidate_oks, agreement):
    """Return the value of a baseline; NaN of one that is not known here."""
    joints, number, confident, total, every, highest = len(confidence), 0, 0, 0.0, 0.0, -np.inf
    for joint in range(joints):
        number += found[joint]
        every += confidence[joint]
        highest = max(highest, confidence[joint])
        if confidence[joint] > CONFIDENT:
            confident += 1
            total += confidence[joint]
    mean = total / max(confident, 1)
    if baseline in (SCORE, UNBOUNDED_SCORE):
        value = score
    elif baseline == MEAN_CONFIDENCE:
        value = mean
    elif baseline == TIMES_CONFIDENCE:
        value = score * mean
    elif baseline == TIMES_CONSENSUS:
        value = score * mean * _known_or(candidate_oks, USUAL_CANDIDATE_OKS, score * mean)
    elif baseline == TIMES_AGREEMENT:
        value = score * mean * _known_or(candidate_oks, USUAL_CANDIDATE_OKS, score * mean)
        value *= _known_or(agreement, USUAL_AGREEMENT, score * mean)
    elif baseline == PLUS_CONFIDENCE:
        value = score + every / joints + highest
    elif baseline == TIMES_JOINTS:
        value = score * max(number - 1, 0)
    elif baseline == TIMES_PARTS:
        value = score * number * (number + 1)
    elif baseline == EXPECTED_RANK:
        value = 1 / _expected_rank_alone(score)
    elif baseline == RANK_TIMES_CONFIDENCE:
        value = _rank_times_confidence(score, found, confidence)
    else:
        value = np.nan
    return value


@jit
def baseline_logit(rules, score, found, confidence, candidate_oks, agreement):
    """Return the logit of a pose's baseline score; see `rescoring.baselines.baseline_logit`."""
    value = _baseline(rules.baseline, score, found, confidence, candidate_oks, agreement)
    if not rules.bounded:
        return log(max(value / rules.baseline_scale, rules.least))
    bounded = between(value, EPSILON, 1 - EPSILON)
    return log(bounded / (1 - bounded))
