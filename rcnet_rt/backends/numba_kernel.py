"""Rescoring on a CPU as one compiled function: batch, features, network, calibration.

One pose after the other: little code and little memory, so that it is quick even where an estimator
has just filled the caches. It is held against `rescoring.rescore`, the reference.
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
from rcnet_rt.backends.numba_joints import estimates
from rcnet_rt.backends.numba_network import logits
from rcnet_rt.poses.fields import CANDIDATE_OKS
from rcnet_rt.rescoring.constants import BELOW_FLOOR, FLAGS, GROWN, MAX_MAGNITUDE

__all__ = ["Arrays", "Rules", "refine", "refine_with_joints"]

UNSEEN, VISIBLE, OCCLUDED = FLAGS


class Arrays(NamedTuple):
    """The arrays of `PoseInputs` as float64, none absent; `boxes` is empty if there are none."""

    keypoints: np.ndarray
    scores: np.ndarray
    keypoint_scores: np.ndarray
    boxes: np.ndarray
    consensus: np.ndarray
    agreement: np.ndarray
    embeddings: np.ndarray
    image_index: np.ndarray


class Rules(NamedTuple):
    """What the kernel reads of some weights beside the network.

    Attributes:
        baseline: place of the baseline in `numba_baselines.BASELINES`.
        bounded: as in `baselines.Baseline`.
        least: as in `baselines.Baseline`.
        baseline_scale: as in `Weights`.
        residual: whether the baseline logit is added to what the network gives.
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
def _is_sound(value):
    return abs(value) < MAX_MAGNITUDE  # NaN is not


@jit
def _sound_or_zero(value):
    return value if _is_sound(value) else 0.0


@jit
def _pack(keypoints, keypoint_scores, box, points, found, confidence, corners):
    """Fill in what is known of a pose; return whether it holds a fault, but for its score."""
    sound = True
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for joint in range(len(keypoints)):
        x, y = keypoints[joint, 0], keypoints[joint, 1]
        sound &= (np.isnan(x) or _is_sound(x)) and (np.isnan(y) or _is_sound(y))
        points[joint, 0], points[joint, 1] = _sound_or_zero(x), _sound_or_zero(y)
        found[joint] = not (np.isnan(x) or np.isnan(y))
        confidence[joint] = 0.0
        if found[joint]:
            left, right = min(left, x), max(right, x)
            top, bottom = min(top, y), max(bottom, y)
            sound &= _is_sound(keypoint_scores[joint])
            confidence[joint] = _sound_or_zero(keypoint_scores[joint])
    if left > right:  # no joint was found
        left, top, right, bottom = 0.0, 0.0, 0.0, 0.0
    for corner, extent in enumerate((left, top, right, bottom)):
        value = box[corner] if len(box) else extent
        sound &= _is_sound(value)
        corners[corner] = _sound_or_zero(value)
    return not sound


@jit
def _evidence(arrays, found):
    """Return the numbers of `rescoring.mistakes.Evidence`, in its order."""
    misplaced, zeros, unflagged = 0.0, 0.0, 0.0
    farthest, lowest, highest = -np.inf, np.inf, -np.inf
    joint_lowest, joint_highest = np.inf, -np.inf
    for pose in range(len(arrays.scores)):
        lowest, highest = min(lowest, arrays.scores[pose]), max(highest, arrays.scores[pose])
        left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
        for joint in range(found.shape[1]):
            if not found[pose, joint]:
                continue
            x, y = arrays.keypoints[pose, joint, 0], arrays.keypoints[pose, joint, 1]
            left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
            zeros += x == 0 and y == 0
            score = arrays.keypoint_scores[pose, joint]
            joint_lowest, joint_highest = min(joint_lowest, score), max(joint_highest, score)
            unflagged += score not in (UNSEEN, VISIBLE, OCCLUDED)
        farthest = max(farthest, -left, right, -top, bottom)
        if len(arrays.boxes) and left <= right:
            box = arrays.boxes[pose]
            across, down = GROWN * (box[2] - box[0]), GROWN * (box[3] - box[1])
            x, y = (left + right) / 2, (top + bottom) / 2
            apart = x < box[0] - across or x > box[2] + across
            apart |= y < box[1] - down or y > box[3] + down
            misplaced += apart or across < 0 or down < 0
    return misplaced, zeros, farthest, lowest, highest, joint_lowest, joint_highest, unflagged


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
def refine(arrays, rules, network):
    """Return refined scores (P,) and faults (P,) of `Arrays`, and the evidence of mistakes."""
    packed, _, _, refined, faulty = _rescore(arrays, rules, network)
    return refined, faulty, _evidence(arrays, packed[1])


@jit
def refine_with_joints(arrays, rules, network, head):
    """Return what `refine` does, and confidence and covariance of the joints."""
    packed, areas, standard, refined, faulty = _rescore(arrays, rules, network)
    joints = estimates(head, packed, areas, standard, refined, faulty)
    return refined, faulty, _evidence(arrays, packed[1]), joints


@jit
def _rescore(arrays, rules, network):
    """Return packed poses, their box areas and standardised features, scores and faults."""
    count, joints = arrays.keypoints.shape[:2]
    points, corners = np.empty((count, joints, 2)), np.empty((count, 4))
    found, confidence = np.empty((count, joints), np.bool_), np.empty((count, joints))
    score, baseline, areas = np.empty(count), np.empty(count), np.empty(count)
    image_index, faulty = np.empty(count), np.empty(count, np.bool_)
    no_box = np.empty(0)
    for pose in range(count):
        box = arrays.boxes[pose] if len(arrays.boxes) else no_box
        wrong = _pack(
            arrays.keypoints[pose], arrays.keypoint_scores[pose], box,
            points[pose], found[pose], confidence[pose], corners[pose],
        )  # fmt: skip
        faulty[pose] = wrong or not _is_sound(arrays.scores[pose])
        score[pose] = _sound_or_zero(arrays.scores[pose])
        # Poses that are faulty or below the floor are seen by no other.
        alone = faulty[pose] or score[pose] < rules.floor
        image_index[pose] = -1.0 - pose if alone else arrays.image_index[pose]
        width, height = corners[pose, 2] - corners[pose, 0], corners[pose, 3] - corners[pose, 1]
        areas[pose] = max(width, 0.0) * max(height, 0.0)
        oks, agreement = arrays.consensus[pose, CANDIDATE_OKS], arrays.agreement[pose]
        baseline[pose] = baseline_logit(
            rules, score[pose], found[pose], confidence[pose], oks, agreement
        )

    packed = points, found, confidence, corners, score
    known, row = len(rules.mean) - arrays.embeddings.shape[1], np.empty(len(rules.mean))
    standard = np.zeros((-(-count // 4) * 4, len(network.weight)), np.float32)
    for pose in range(count):
        features_of(
            rules, pose, packed, baseline, areas, image_index,
            arrays.consensus, arrays.agreement, row,
        )  # fmt: skip
        for column in range(arrays.embeddings.shape[1]):
            row[known + column] = arrays.embeddings[pose, column]
        standardise(rules, row, standard[pose])

    refined = logits(network, standard, image_index)
    for pose in range(count):
        logit = refined[pose] + baseline[pose] if rules.residual else refined[pose]
        refined[pose] = _refined(rules, logit, score[pose])
        if faulty[pose]:
            raw = arrays.scores[pose]
            refined[pose] = 0.0 if np.isnan(raw) else between(raw, 0.0, 1.0)
    return packed, areas, standard, refined, faulty
