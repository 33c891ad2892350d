"""The whole step on a CPU as one compiled function: packing, features, network, calibration.

One pose after the other, as one would write it down: little code and little memory, so that it is
quick even where an estimator has just filled the caches. The rules are those of `packing`,
`baselines`, `features` and `step`, against which it is held.
"""

# Numba gives no types that a checker could see.
# mypy: ignore-errors

from __future__ import annotations

from math import exp
from typing import NamedTuple

import numpy as np

from rcnet_rt.backends.numba_baselines import baseline_logit
from rcnet_rt.backends.numba_cache import between, jit
from rcnet_rt.backends.numba_features import features_of, standardise
from rcnet_rt.backends.numba_network import logits
from rcnet_rt.rescoring import batch, nms_consensus, rescore

__all__ = ["Rules", "refine"]

CANDIDATE_OKS = nms_consensus.CANDIDATE_OKS
LARGEST, BELOW_FLOOR = batch.LARGEST, rescore.BELOW_FLOOR


class Rules(NamedTuple):
    """What the kernel reads of some weights beside the network.

    Attributes:
        baseline: place of the baseline in `numba_baselines.BASES`.
        bounded: as in `baselines.Baseline`.
        least: as in `baselines.Baseline`.
        baseline_scale: as in `Weights`.
        residual: whether the base is added to what the network gives.
        features: level of the feature set in `numba_features.FEATURES`.
        floor: as in `Weights`.
        unit: two links of the skeleton.
        links: (L, 2) joints at their ends.
        mean: (D,) of the features.
        deviation: (D,) of the features.
        start: (M,) of the calibration's steps, as the next two.
        width: (M,).
        rise: (M,).
    """

    baseline: int
    bounded: bool
    least: float
    baseline_scale: float
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


@jit
def _sound(value):
    return abs(value) < LARGEST  # NaN is not


@jit
def _sound_or_zero(value):
    return value if _sound(value) else 0.0


@jit
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
            sound &= _sound(keypoint_scores[joint])
            sure[joint] = _sound_or_zero(keypoint_scores[joint])
    if left > right:  # no joint was found
        left, top, right, bottom = 0.0, 0.0, 0.0, 0.0
    for corner, extent in enumerate((left, top, right, bottom)):
        value = box[corner] if len(box) else extent
        sound &= _sound(value)
        corners[corner] = _sound_or_zero(value)
    return not sound


@jit
def _calibrated(rules, score):
    result = 0.0
    for knot in range(len(rules.start)):
        inside = (score - rules.start[knot]) / rules.width[knot]
        result += between(inside, 0.0, 1.0) * rules.rise[knot]
    return between(result, 0.0, 1.0)


@jit
def _refined(rules, logit, score):
    refined = _calibrated(rules, 1 / (1 + exp(-logit)))
    if rules.floor <= 0:
        return refined
    if score < rules.floor:
        return max(score, 0.0) * (BELOW_FLOOR / rules.floor)
    return BELOW_FLOOR + (1 - BELOW_FLOOR) * refined


@jit
def refine(given, rules, network):
    """Return refined scores (P,) and faults (P,) as `rescoring.rescore` has them.

    Given are float64 arrays as in `PoseInputs`, none absent; `boxes` is empty if there are none.
    """
    keypoints, scores, keypoint_scores, boxes, statistics, agreement, embeddings, images = given
    count, joints = keypoints.shape[:2]
    points, corners = np.empty((count, joints, 2)), np.empty((count, 4))
    found, sure = np.empty((count, joints), np.bool_), np.empty((count, joints))
    score, baseline, areas, image_index = (
        np.empty(count),
        np.empty(count),
        np.empty(count),
        np.empty(count),
    )
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
        image_index[pose] = -1.0 - pose if alone else images[pose]
        width, height = corners[pose, 2] - corners[pose, 0], corners[pose, 3] - corners[pose, 1]
        areas[pose] = max(width, 0.0) * max(height, 0.0)
        oks = statistics[pose, CANDIDATE_OKS]
        baseline[pose] = baseline_logit(
            rules, score[pose], found[pose], sure[pose], oks, agreement[pose]
        )

    packed = points, found, sure, corners, score
    known, row = len(rules.mean) - embeddings.shape[1], np.empty(len(rules.mean))
    standard = np.zeros((-(-count // 4) * 4, len(network.weight)), np.float32)
    for pose in range(count):
        features_of(rules, pose, packed, baseline, areas, image_index, statistics, agreement, row)
        for column in range(embeddings.shape[1]):
            row[known + column] = embeddings[pose, column]
        standardise(rules, row, standard[pose])

    refined = logits(network, standard, image_index)
    for pose in range(count):
        logit = refined[pose] + baseline[pose] if rules.residual else refined[pose]
        refined[pose] = _refined(rules, logit, score[pose])
        if faulty[pose]:
            refined[pose] = 0.0 if np.isnan(scores[pose]) else between(scores[pose], 0.0, 1.0)
    return refined, faulty
