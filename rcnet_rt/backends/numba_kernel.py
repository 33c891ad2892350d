"""The whole step on a CPU as one compiled function: packing, features, network, calibration.

One pose after the other, as one would write it down: little code and little memory, so that it is
quick even where an estimator has just filled the caches. The rules are those of `packing`,
`formulas`, `features` and `step`, against which it is held.
"""

# Numba gives no types that a checker could see.
# mypy: ignore-errors

from __future__ import annotations

from math import exp, log, log1p, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from rcnet_rt import arrays, boxes, consensus, features, formulas, packing, score_scale, step
from rcnet_rt.backends.numba_network import logits
from rcnet_rt.compiling import OPTIONS
from rcnet_rt.model_config import CLIP

__all__ = ["BASES", "FEATURES", "Rules", "refine"]

BASES = tuple(formulas.FORMULAS)
MEAN_CONFIDENCE, TIMES_CONFIDENCE = map(BASES.index, ("mean_confidence", "score_times_confidence"))
TIMES_CONSENSUS, TIMES_AGREEMENT = map(
    BASES.index, ("score_times_consensus", "score_times_agreement")
)
TIMES_JOINTS, TIMES_PARTS = map(BASES.index, ("score_times_joints", "score_times_parts"))
PLUS_CONFIDENCE, STANDING = map(BASES.index, ("score_plus_confidence", formulas.STANDING))
FEATURES = {  # each holds those before it
    "confidence": 0,
    "dekr": 1,
    "paper": 2,
    "paper+visual": 2,
    "full": 3,
    "full+visual": 3,
    "signals": 4,
}
CONFIDENCE, PAPER, FULL, SIGNALS = (
    FEATURES[name] for name in ("confidence", "paper", "full", "signals")
)
STATISTICS, CANDIDATE_OKS = len(consensus.CONSENSUS), consensus.CANDIDATE_OKS
EPSILON, LARGEST, LEAST_AREA = arrays.EPSILON, packing.LARGEST, boxes.LEAST_AREA
CONFIDENT, LEAST_OKS = score_scale.CONFIDENT, formulas.LEAST_OKS
USUAL_OKS, USUAL_AGREEMENT = formulas.USUAL_CANDIDATE_OKS, formulas.USUAL_AGREEMENT
TORSO_OF_SIZE, SMALLEST_UNIT = features.TORSO_OF_SIZE, features.SMALLEST_UNIT
EQUAL, LEAST_AGREEMENT = features.EQUAL, features.LEAST_AGREEMENT
NEWS = features.news(score_scale.UNKNOWN_ECHO)
LEAST_SCORE, AT_ONE_HALF = score_scale.LEAST, score_scale.AT_ONE_HALF
BELOW_FLOOR = step.BELOW_FLOOR


class Rules(NamedTuple):
    """What the kernel reads of some weights beside the network.

    Attributes:
        base: place of the base formula in `BASES`.
        bounded: as in `formulas.Formula`.
        least: as in `formulas.Formula`.
        base_scale: as in `Weights`.
        residual: whether the base is added to what the network gives.
        features: level of the feature set in `FEATURES`.
        floor: as in `Weights`.
        unit: two links of the skeleton.
        links: (L, 2) joints at their ends.
        mean: (D,) of the features.
        deviation: (D,) of the features.
        start: (M,) of the calibration's steps, as the next two.
        width: (M,).
        rise: (M,).
    """

    base: int
    bounded: bool
    least: float
    base_scale: float
    residual: bool
    features: int
    floor: float
    unit: tuple[int, int]
    links: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    start: np.ndarray
    width: np.ndarray
    rise: np.ndarray


_jit = njit(**OPTIONS)


@_jit
def _sound(value):
    return abs(value) < LARGEST  # NaN is not


@_jit
def _sound_or_zero(value):
    return value if _sound(value) else 0.0


@_jit
def _between(value, low, high):
    return min(max(value, low), high)


@_jit
def _pack(keypoints, keypoint_scores, box, points, found, sure, corners):
    """Fill in what is known of a pose; return whether it holds a fault, but for its score."""
    sound = True
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for joint in range(len(keypoints)):
        x, y = keypoints[joint, 0], keypoints[joint, 1]
        sound &= (np.isnan(x) or _sound(x)) and (np.isnan(y) or _sound(y))
        points[joint, 0], points[joint, 1] = _sound_or_zero(x), _sound_or_zero(y)
        found[joint] = not (np.isnan(x) or np.isnan(y))
        sure[joint] = 0.0
        if found[joint]:
            left, right = min(left, x), max(right, x)
            top, bottom = min(top, y), max(bottom, y)
            confidence = keypoint_scores[joint] if len(keypoint_scores) else 1.0
            sound &= _sound(confidence)
            sure[joint] = _sound_or_zero(confidence)
    if left > right:  # no joint was found
        left, top, right, bottom = 0.0, 0.0, 0.0, 0.0
    for corner, extent in enumerate((left, top, right, bottom)):
        value = box[corner] if len(box) else extent
        sound &= _sound(value)
        corners[corner] = _sound_or_zero(value)
    return not sound


@_jit
def _known_or(oks, usual, score):
    return _between(usual[0] + usual[1] * score if np.isnan(oks) else oks, LEAST_OKS, 1.0)


@_jit
def _standing_alone(score):
    low = _between(score, LEAST_SCORE, 0.9)
    steady = 2 * (_between(score, 0.9, 3.0) - 0.9)
    large = 0.5 * log(max(score, 3.0) / 3)
    below = log1p(max(LEAST_SCORE - score, 0.0))
    return AT_ONE_HALF * exp(below - (log(low) - log(1 - low)) - steady - large)


@_jit
def _formula(base, score, found, sure, candidate_oks, agreement):
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
    if base == MEAN_CONFIDENCE:
        value = mean
    elif base == TIMES_CONFIDENCE:
        value = score * mean
    elif base == TIMES_CONSENSUS:
        value = score * mean * _known_or(candidate_oks, USUAL_OKS, score * mean)
    elif base == TIMES_AGREEMENT:
        value = score * mean * _known_or(candidate_oks, USUAL_OKS, score * mean)
        value *= _known_or(agreement, USUAL_AGREEMENT, score * mean)
    elif base == PLUS_CONFIDENCE:
        value = score + every / joints + most
    elif base == TIMES_JOINTS:
        value = score * max(number - 1, 0)
    elif base == TIMES_PARTS:
        value = score * number * (number + 1)
    elif base == STANDING:
        value = 1 / _standing_alone(score)
    return value


@_jit
def _base_logit(rules, value):
    if not rules.bounded:
        return log(max(value / rules.base_scale, rules.least))
    bounded = _between(value, EPSILON, 1 - EPSILON)
    return log(bounded / (1 - bounded))


@_jit
def _dekr(rules, points, found, sure, diagonal, area, row):
    """Write DEKR's features and return the unit length."""
    links, unit, count = len(rules.links), 0.0, 0
    for link in range(links):
        a, b = rules.links[link, 0], rules.links[link, 1]
        known = found[a] and found[b]
        dx = points[a, 0] - points[b, 0] if known else 0.0
        dy = points[a, 1] - points[b, 1] if known else 0.0
        length = sqrt(dx * dx + dy * dy)
        row[2 * link], row[2 * link + 1], row[2 * links + link] = dx, dy, length
        times = (link == rules.unit[0]) + (link == rules.unit[1])
        unit += times * length
        count += times * known
    unit = unit / count if count else TORSO_OF_SIZE * sqrt(area)
    unit = max(unit, SMALLEST_UNIT * diagonal)
    unit = unit if unit > 0 else 1.0
    for column in range(3 * links):
        row[column] /= unit
    for joint in range(len(sure)):
        row[3 * links + joint] = sure[joint]
    return unit


@_jit
def _joint_statistics(found, sure, row):
    """Write the columns of `features.EXTRAS` from "joints" to "mean log confidence"."""
    joints, number, confident, total, least, logs = len(sure), 0, 0, 0.0, 1.0, 0.0
    for joint in range(joints):
        if found[joint]:
            number += 1
            confident += sure[joint] > CONFIDENT
            total += sure[joint]
            least = min(least, sure[joint])
            logs += log(max(sure[joint], 1e-3))
    most = max(number, 1)
    mean, squares = total / most, 0.0
    for joint in range(joints):
        squares += found[joint] * (sure[joint] - mean) * (sure[joint] - mean)
    row[0], row[1], row[2] = number / joints, confident / joints, mean
    row[3], row[4], row[5] = least, sqrt(squares / most), logs / most


@_jit
def _company(pose, base, corners, areas, picture, row):
    """Write the columns of `features.EXTRAS` from "overlap" to "gap"."""
    overlap, ahead, same, top = 0.0, 0.0, 0.0, base[pose]
    for other in range(len(base)):
        if picture[other] == picture[pose]:
            same += 1
            top = max(top, base[other])
            if base[other] > base[pose] + EQUAL:
                ahead += 1
                low_x = max(corners[pose, 0], corners[other, 0])
                low_y = max(corners[pose, 1], corners[other, 1])
                width = min(corners[pose, 2], corners[other, 2]) - low_x
                height = min(corners[pose, 3], corners[other, 3]) - low_y
                shared = max(width, 0.0) * max(height, 0.0)
                union = areas[pose] + areas[other] - shared
                overlap = max(overlap, shared / max(union, LEAST_AREA))
    row[0], row[1], row[2], row[3] = overlap, log(1 + ahead), log(same), base[pose] - top


@_jit
def _signals(statistics, agreement, row):
    """Write the columns of `features.SIGNALS`."""
    shown, looked = 1.0, 0.0 if np.isnan(agreement) else 1.0
    for column in range(STATISTICS):
        row[column] = statistics[column]
        if np.isnan(statistics[column]):
            shown = 0.0
    row[STATISTICS], row[STATISTICS + 1], row[STATISTICS + 3] = shown, agreement, looked
    row[STATISTICS + 2] = log(max(agreement, LEAST_AGREEMENT)) if looked else np.nan


@_jit
def _confidence(found, sure, row):
    """Write the columns of `features.CONFIDENCE`."""
    statistics = np.empty(6)
    _joint_statistics(found, sure, statistics)
    for column in range(2):
        row[column] = 1 + NEWS * (statistics[column] - 1)


@_jit
def _calibrated(rules, score):
    result = 0.0
    for knot in range(len(rules.start)):
        inside = (score - rules.start[knot]) / rules.width[knot]
        result += _between(inside, 0.0, 1.0) * rules.rise[knot]
    return _between(result, 0.0, 1.0)


@_jit
def _features(rules, pose, packed, base, areas, picture, statistics, agreement, row):
    """Write the features of a pose, but not its embedding."""
    points, found, sure, corners, score = packed
    if rules.features == CONFIDENCE:
        _confidence(found[pose], sure[pose], row)
        return
    width, height = corners[pose, 2] - corners[pose, 0], corners[pose, 3] - corners[pose, 1]
    diagonal = sqrt(width * width + height * height)
    unit = _dekr(rules, points[pose], found[pose], sure[pose], diagonal, areas[pose], row)
    more = row[3 * len(rules.links) + found.shape[1] :]
    if rules.features >= PAPER:
        more[0] = score[pose]
    if rules.features >= FULL:
        log_width, log_height = log(max(width, 1e-3)), log(max(height, 1e-3))
        size = (log_width + log_height) / 2
        more[1], more[2] = base[pose], size
        more[3], more[4] = log_height - log_width, log(unit) - size
        _joint_statistics(found[pose], sure[pose], more[5:])
        _company(pose, base, corners, areas, picture, more[11:])
    if rules.features >= SIGNALS:
        _signals(statistics[pose], agreement[pose], more[15:])


@_jit
def _standardise(rules, row, standard):
    for column in range(len(row)):
        value = (row[column] - rules.mean[column]) / rules.deviation[column]
        standard[column] = 0.0 if np.isnan(value) else _between(value, -CLIP, CLIP)


@_jit
def _refined(rules, logit, score):
    refined = _calibrated(rules, 1 / (1 + exp(-logit)))
    if rules.floor <= 0:
        return refined
    if score < rules.floor:
        return max(score, 0.0) * (BELOW_FLOOR / rules.floor)
    return BELOW_FLOOR + (1 - BELOW_FLOOR) * refined


@_jit
def refine(given, rules, network):
    """Return refined scores (P,) and faults (P,) as `rcnet_rt.step` has them.

    Given are float64 arrays as in `GivenPoses`, none absent; `boxes` is empty if there are none.
    """
    keypoints, scores, keypoint_scores, boxes, statistics, agreement, embeddings, pictures = given
    count, joints = keypoints.shape[:2]
    points, corners = np.empty((count, joints, 2)), np.empty((count, 4))
    found, sure = np.empty((count, joints), np.bool_), np.empty((count, joints))
    score, base, areas, picture = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    faulty, none = np.empty(count, np.bool_), np.empty(0)
    for pose in range(count):
        box = boxes[pose] if len(boxes) else none
        wrong = _pack(
            keypoints[pose], keypoint_scores[pose], box,
            points[pose], found[pose], sure[pose], corners[pose],
        )  # fmt: skip
        faulty[pose] = wrong or not _sound(scores[pose])
        score[pose] = _sound_or_zero(scores[pose])
        # Poses that are faulty or below the floor are seen by no other.
        alone = faulty[pose] or score[pose] < rules.floor
        picture[pose] = -1.0 - pose if alone else pictures[pose]
        width, height = corners[pose, 2] - corners[pose, 0], corners[pose, 3] - corners[pose, 1]
        areas[pose] = max(width, 0.0) * max(height, 0.0)
        oks = statistics[pose, CANDIDATE_OKS]
        value = _formula(rules.base, score[pose], found[pose], sure[pose], oks, agreement[pose])
        base[pose] = _base_logit(rules, value)

    packed = points, found, sure, corners, score
    known, row = len(rules.mean) - embeddings.shape[1], np.empty(len(rules.mean))
    standard = np.zeros((-(-count // 4) * 4, len(network.weight)), np.float32)
    for pose in range(count):
        _features(rules, pose, packed, base, areas, picture, statistics, agreement, row)
        for column in range(embeddings.shape[1]):
            row[known + column] = embeddings[pose, column]
        _standardise(rules, row, standard[pose])

    refined = logits(network, standard, picture)
    for pose in range(count):
        logit = refined[pose] + base[pose] if rules.residual else refined[pose]
        refined[pose] = _refined(rules, logit, score[pose])
        if faulty[pose]:
            refined[pose] = 0.0 if np.isnan(scores[pose]) else _between(scores[pose], 0.0, 1.0)
    return refined, faulty
