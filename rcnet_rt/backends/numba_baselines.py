"""The base scores of `rescoring.baselines` for a compiled function on a CPU, one pose at a time."""

# Numba gives no types that a checker could see.
# mypy: ignore-errors

from __future__ import annotations

from math import exp, log, log1p

import numpy as np

from rcnet_rt.backends.numba_cache import between, jit
from rcnet_rt.poses import arrays
from rcnet_rt.rescoring import baselines, score_reference

__all__ = ["BASES", "baseline_logit"]

BASES = tuple(baselines.BASELINES)
MEAN_CONFIDENCE, TIMES_CONFIDENCE = map(BASES.index, ("mean_confidence", "score_times_confidence"))
TIMES_CONSENSUS, TIMES_AGREEMENT = map(
    BASES.index, ("score_times_consensus", "score_times_agreement")
)
TIMES_JOINTS, TIMES_PARTS = map(BASES.index, ("score_times_joints", "score_times_parts"))
PLUS_CONFIDENCE, EXPECTED_RANK = map(
    BASES.index, ("score_plus_confidence", baselines.EXPECTED_RANK)
)
EPSILON = arrays.EPSILON
CONFIDENT, MIN_OKS = score_reference.CONFIDENT, baselines.MIN_OKS
USUAL_OKS, USUAL_AGREEMENT = baselines.USUAL_CANDIDATE_OKS, baselines.USUAL_AGREEMENT
MIN_SCORE, AT_ONE_HALF = score_reference.LEAST, score_reference.AT_ONE_HALF


@jit
def _known_or(oks, usual, score):
    return between(usual[0] + usual[1] * score if np.isnan(oks) else oks, MIN_OKS, 1.0)


@jit
def _expected_rank_alone(score):
    low = between(score, MIN_SCORE, 0.9)
    steady = 2 * (between(score, 0.9, 3.0) - 0.9)
    large = 0.5 * log(max(score, 3.0) / 3)
    below = log1p(max(MIN_SCORE - score, 0.0))
    return AT_ONE_HALF * exp(below - (log(low) - log(1 - low)) - steady - large)


@jit
def _baseline(baseline, score, found, sure, candidate_oks, agreement):
    """Return the value of a formula: the score itself where no branch says otherwise."""
    joints, number, confident, total, every, most = len(sure), 0, 0, 0.0, 0.0, -np.inf
    for joint in range(joints):
        number += found[joint]
        every += sure[joint]
        most = max(most, sure[joint])
        if sure[joint] > CONFIDENT:
            confident += 1
            total += sure[joint]
    value, mean = score, total / max(confident, 1)
    if baseline == MEAN_CONFIDENCE:
        value = mean
    elif baseline == TIMES_CONFIDENCE:
        value = score * mean
    elif baseline == TIMES_CONSENSUS:
        value = score * mean * _known_or(candidate_oks, USUAL_OKS, score * mean)
    elif baseline == TIMES_AGREEMENT:
        value = score * mean * _known_or(candidate_oks, USUAL_OKS, score * mean)
        value *= _known_or(agreement, USUAL_AGREEMENT, score * mean)
    elif baseline == PLUS_CONFIDENCE:
        value = score + every / joints + most
    elif baseline == TIMES_JOINTS:
        value = score * max(number - 1, 0)
    elif baseline == TIMES_PARTS:
        value = score * number * (number + 1)
    elif baseline == EXPECTED_RANK:
        value = 1 / _expected_rank_alone(score)
    return value


@jit
def baseline_logit(rules, score, found, sure, candidate_oks, agreement):
    """Return the logit of a pose's baseline score; see `rescoring.baselines.baseline_logit`."""
    value = _baseline(rules.baseline, score, found, sure, candidate_oks, agreement)
    if not rules.bounded:
        return log(max(value / rules.baseline_scale, rules.least))
    bounded = between(value, EPSILON, 1 - EPSILON)
    return log(bounded / (1 - bounded))
