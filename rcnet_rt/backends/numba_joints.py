"""The joint head of `rescoring.joint_head` for a compiled function on a CPU."""

# Numba gives no types that a checker could see.
# mypy: ignore-errors

from __future__ import annotations

from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np

from rcnet_rt.backends.numba_cache import between, jit
from rcnet_rt.backends.numba_network import add, layer, rectify
from rcnet_rt.poses.arrays import EPSILON
from rcnet_rt.rescoring.constants import (
    CLIP,
    LOG_SIZE,
    MAX_LOG_VARIANCE,
    MAX_LOGIT,
    MAX_PLACE,
    MAX_STRETCH,
    MIN_LOG_VARIANCE,
    MIN_SIDE,
)

__all__ = ["Head", "estimates"]


class Head(NamedTuple):
    """The parameters of a joint head; layers are (inputs, outputs) as in `numba_network.Network`.

    Attributes:
        joints: what the first layer makes of `joint_features.joint_features`.
        features: the same of the standardised features of the score network.
        features_bias: of both.
        second: layer, with a bias as the next.
        second_bias: of it.
        output: layer.
        output_bias: of it.
    """

    joints: np.ndarray
    features: np.ndarray
    features_bias: np.ndarray
    second: np.ndarray
    second_bias: np.ndarray
    output: np.ndarray
    output_bias: np.ndarray


@jit
def _logit(score):
    bounded = between(score, EPSILON, 1 - EPSILON)
    return log(bounded / (1 - bounded))


@jit
def _joint_features(points, found, confidence, corners, refined, size, row):
    """Write the features of `joint_features.joint_features` of a pose."""
    joints, has_scores = len(found), 0.0
    for joint in range(joints):
        row[joint] = _logit(confidence[joint])
        if found[joint] and confidence[joint] < 1:
            has_scores = 1.0
    for axis in range(2):
        middle = (corners[axis] + corners[axis + 2]) / 2
        half_side = max((corners[axis + 2] - corners[axis]) / 2, MIN_SIDE)
        places = row[(axis + 1) * joints :]
        for joint in range(joints):
            place = between((points[joint, axis] - middle) / half_side, -MAX_PLACE, MAX_PLACE)
            places[joint] = place if found[joint] else 0.0
    row[3 * joints] = _logit(refined)
    row[3 * joints + 1] = between(log(size) - LOG_SIZE, -CLIP, CLIP)
    row[3 * joints + 2] = has_scores


@jit
def estimates(head, packed, areas, standard, refined, faulty):
    """Return confidence (P, K) and covariance (P, K, 2, 2) of the joints of packed poses."""
    points, found, confidence, corners, _ = packed
    count, joints = found.shape
    rows, sizes = np.zeros((len(standard), len(head.joints)), np.float32), np.empty(count)
    for pose in range(count):
        sizes[pose] = sqrt(max(areas[pose], MIN_SIDE * MIN_SIDE))
        _joint_features(
            points[pose], found[pose], confidence[pose], corners[pose], refined[pose], sizes[pose],
            rows[pose],
        )  # fmt: skip
    hidden = layer(standard, head.features, head.features_bias)
    add(hidden, layer(rows, head.joints, np.zeros(len(head.features_bias), np.float32)))
    rectify(hidden)
    hidden = layer(hidden, head.second, head.second_bias)
    rectify(hidden)
    outputs = layer(hidden, head.output, head.output_bias)

    certainty = np.zeros((count, joints))
    covariance = np.full((count, joints, 2, 2), np.nan)
    for pose in range(count):
        row, area = outputs[pose], sizes[pose] * sizes[pose]
        for joint in range(joints):
            if faulty[pose] or not found[pose, joint]:
                continue
            logit = between(row[joint], -MAX_LOGIT, MAX_LOGIT)
            certainty[pose, joint] = 1 / (1 + exp(-logit))
            power = between(row[joints + joint], MIN_LOG_VARIANCE, MAX_LOG_VARIANCE)
            stretch = between(row[2 * joints + joint], -MAX_STRETCH, MAX_STRETCH)
            shear = between(row[3 * joints + joint], -MAX_STRETCH, MAX_STRETCH)
            variance = area * exp(power)
            middle = sqrt(1 + stretch * stretch + shear * shear)
            entries = covariance[pose, joint]
            entries[0, 0], entries[1, 1] = (
                variance * (middle + stretch),
                variance * (middle - stretch),
            )
            entries[0, 1] = entries[1, 0] = variance * shear
    return certainty, covariance
