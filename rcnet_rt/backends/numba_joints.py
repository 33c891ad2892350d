"""The joint head of `rescoring.joint_head` for a compiled function on a CPU, one pose at a time."""

# Numba gives no types that a checker could see.
# mypy: ignore-errors

from __future__ import annotations

from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np

from rcnet_rt.backends.numba_cache import between, jit
from rcnet_rt.backends.numba_network import layer, rectify
from rcnet_rt.poses.arrays import EPSILON
from rcnet_rt.rescoring.constants import (
    CLIP,
    LOG_SIZE,
    MAX_LENGTH,
    MAX_LOG_ASPECT,
    MAX_LOG_VARIANCE,
    MAX_SHEAR,
    MIN_LOG_VARIANCE,
    MIN_SIDE,
)
from rcnet_rt.rescoring.joint_features import JOINT_FEATURES

__all__ = ["Head", "estimates"]

FEATURES = len(JOINT_FEATURES)


class Head(NamedTuple):
    """The parameters of a joint head; layers are (inputs, outputs) as in `numba_network.Network`.

    Attributes:
        neighbours: (3, K) of `joint_features.Neighbours`.
        score: (T,) what the first layer makes of the refined score; `size` the same of the size.
        first: of the standardised features, as `second` with a bias.
        pose: (T, H).
        features: (F, H).
        embedding: (K, H).
        output: (K, H, 4).
        output_bias: (K, 4).
    """

    neighbours: np.ndarray
    score: np.ndarray
    size: np.ndarray
    first: np.ndarray
    first_bias: np.ndarray
    second: np.ndarray
    second_bias: np.ndarray
    pose: np.ndarray
    features: np.ndarray
    embedding: np.ndarray
    output: np.ndarray
    output_bias: np.ndarray


@jit
def _logit(score):
    bounded = between(score, EPSILON, 1 - EPSILON)
    return log(bounded / (1 - bounded))


@jit
def _joint_features(near, points, found, confidence, corners, size, places, rows):
    """Write the features of `JOINT_FEATURES` of a pose, a row a joint."""
    joints, known = len(found), 0.0
    half_width = max(corners[2] - corners[0], MIN_SIDE) / 2
    half_height = max(corners[3] - corners[1], MIN_SIDE) / 2
    for joint in range(joints):
        if found[joint] and confidence[joint] < 1:
            known = 1.0
        for axis in range(2):
            middle = (corners[axis] + corners[axis + 2]) / 2
            place = between((points[joint, axis] - middle) / size, -MAX_LENGTH, MAX_LENGTH)
            places[joint, axis] = place if found[joint] else 0.0
    for joint in range(joints):
        row = rows[joint]
        row[0], row[1] = _logit(confidence[joint]), known if found[joint] else 0.0
        row[8], row[9] = 0.0, 0.0
        for which in range(3):
            other = near[which, joint]
            both = found[joint] and found[other]
            dx = places[joint, 0] - places[other, 0] if both else 0.0
            dy = places[joint, 1] - places[other, 1] if both else 0.0
            row[2 + which], row[5 + which] = confidence[other], sqrt(dx * dx + dy * dy)
            if which == 1:
                row[8], row[9] = dx, dy
        row[10] = between(places[joint, 0] * (size / half_width), -MAX_LENGTH, MAX_LENGTH)
        row[11] = between(places[joint, 1] * (size / half_height), -MAX_LENGTH, MAX_LENGTH)


@jit
def _pose_hidden(head, standard, refined, sizes):
    """Return what is made of the pose alone, (P, H)."""
    hidden = layer(standard, head.first, head.first_bias)
    for pose in range(len(refined)):
        score = np.float32(_logit(refined[pose]))
        size = np.float32(between(log(sizes[pose]) - LOG_SIZE, -CLIP, CLIP))
        for k in range(hidden.shape[1]):
            hidden[pose, k] += score * head.score[k] + size * head.size[k]
    rectify(hidden)
    hidden = layer(hidden, head.second, head.second_bias)
    rectify(hidden)
    return layer(hidden, head.pose, np.zeros(head.pose.shape[1], np.float32))


@jit
def _outputs(output, bias, own, pose, embedding):
    """Return the four outputs of a joint; two sums each, so that one need not wait for another."""
    a0, a1, a2, a3 = bias[0], bias[1], bias[2], bias[3]
    b0 = b1 = b2 = b3 = np.float32(0)
    for k in range(0, len(own), 2):
        even = max(own[k] + pose[k] + embedding[k], np.float32(0))
        odd = max(own[k + 1] + pose[k + 1] + embedding[k + 1], np.float32(0))
        a0 += even * output[k, 0]
        a1 += even * output[k, 1]
        a2 += even * output[k, 2]
        a3 += even * output[k, 3]
        b0 += odd * output[k + 1, 0]
        b1 += odd * output[k + 1, 1]
        b2 += odd * output[k + 1, 2]
        b3 += odd * output[k + 1, 3]
    return a0 + b0, a1 + b1, a2 + b2, a3 + b3


@jit
def estimates(head, packed, areas, standard, refined, faulty):
    """Return confidence (P, K) and covariance (P, K, 2, 2) of the joints of packed poses."""
    points, found, confidence, corners, _ = packed
    count, joints = found.shape
    rows = np.zeros((-(-count * joints // 4) * 4, FEATURES), np.float32)
    sizes, places = np.empty(count), np.empty((joints, 2))
    for pose in range(count):
        sizes[pose] = sqrt(max(areas[pose], MIN_SIDE * MIN_SIDE))
        _joint_features(
            head.neighbours, points[pose], found[pose], confidence[pose], corners[pose],
            sizes[pose], places, rows[pose * joints :],
        )  # fmt: skip
    shared = _pose_hidden(head, standard, refined, sizes)
    own = layer(rows, head.features, np.zeros(head.features.shape[1], np.float32))

    certainty = np.zeros((count, joints))
    covariance = np.full((count, joints, 2, 2), np.nan)
    for pose in range(count):
        area = sizes[pose] * sizes[pose]
        for joint in range(joints):
            if faulty[pose] or not found[pose, joint]:
                continue
            logit, log_variance, log_aspect, shear = _outputs(
                head.output[joint], head.output_bias[joint], own[pose * joints + joint],
                shared[pose], head.embedding[joint],
            )  # fmt: skip
            certainty[pose, joint] = 1 / (1 + exp(-logit))
            variance = area * exp(between(log_variance, MIN_LOG_VARIANCE, MAX_LOG_VARIANCE))
            aspect = exp(between(log_aspect, -MAX_LOG_ASPECT, MAX_LOG_ASPECT))
            shear = between(shear, -MAX_SHEAR, MAX_SHEAR)
            entries = covariance[pose, joint]
            entries[0, 0], entries[1, 1] = variance * aspect, variance * (1 + shear**2) / aspect
            entries[0, 1] = entries[1, 0] = variance * shear
    return certainty, covariance
