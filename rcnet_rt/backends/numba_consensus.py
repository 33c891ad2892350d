"""`rescoring.nms_consensus` as a compiled function: a fraction of the time that NumPy takes."""

# Numba gives no types that a checker could see.
# mypy: ignore-errors

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from math import exp, log, sqrt

import numpy as np
from numba import types

from rcnet_rt.backends.numba_cache import compiled, jit, source_hash
from rcnet_rt.poses.arrays import Array
from rcnet_rt.poses.boxes import MIN_AREA
from rcnet_rt.poses.fields import CONSENSUS
from rcnet_rt.rescoring.constants import AREA_OF_BOX, CANDIDATE_FLOOR, MIN_CANDIDATE_IOU
from rcnet_rt.rescoring.nms_consensus import Candidates

__all__ = ["consensus_on_the_host"]

STATISTICS = len(CONSENSUS)


def consensus_on_the_host() -> Callable[[Array, Array, Candidates, Array], Array]:
    """Return `rescoring.nms_consensus.consensus`, compiled for float32 in NumPy.

    Raises:
        BackendError: it cannot be compiled here.
    """
    kernel = _kernel()

    def compute(keypoints: Array, boxes: Array, candidates: Candidates, sigmas: Array) -> Array:
        arrays = keypoints, boxes, candidates.keypoints, candidates.scores, candidates.boxes, sigmas
        return kernel(tuple([_single(array) for array in arrays]))

    return compute


def _single(array: Array) -> Array:
    contiguous = np.ascontiguousarray(array, np.float32)
    return contiguous if contiguous.flags.writeable else contiguous.copy()


@lru_cache
def _kernel():
    sources = source_hash(sys.modules[__name__])

    def consensus_of_candidates(arrays):
        _ = sources
        return _consensus(*arrays)

    dimensions = (3, 2, 3, 1, 2, 1)
    kinds = [types.Array(types.float32, count, "C") for count in dimensions]
    return compiled(consensus_of_candidates, (types.Tuple(kinds),))


@jit
def _iou(first, second, first_area):
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / max(first_area + _area(second) - shared, MIN_AREA)


@jit
def _area(box):
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


@jit
def _owners(kept, boxes, scores):
    """Return of each candidate the kept pose that it counts for, or -1, and its overlap."""
    owner, overlap = np.full(len(boxes), -1), np.zeros(len(boxes))
    areas = np.array([_area(box) for box in kept])
    for candidate in range(len(boxes)):
        if scores[candidate] >= CANDIDATE_FLOOR:
            for pose in range(len(kept)):
                shared = _iou(kept[pose], boxes[candidate], areas[pose])
                if shared >= MIN_CANDIDATE_IOU and shared > overlap[candidate]:
                    owner[candidate], overlap[candidate] = pose, shared
    return owner, overlap


@jit
def _consensus(keypoints, boxes, candidates, scores, candidate_boxes, sigmas):
    count, joints = keypoints.shape[:2]
    owner, overlap = _owners(boxes, candidate_boxes, scores)
    result = np.full((count, STATISTICS), np.nan, np.float32)
    means, squares = np.empty((joints, 2)), np.empty(joints)
    for pose in range(count):
        number, total, agreement, shared = 0, 0.0, 0.0, 0.0
        means[:], squares[:] = 0.0, 0.0
        # One unit is a joint's d at which OKS falls to exp(-1/2).
        size = sqrt(AREA_OF_BOX * max(_area(boxes[pose]), 1.0))
        for candidate in range(len(scores)):
            if owner[candidate] != pose:
                continue
            score, oks = scores[candidate], 0.0
            number += 1
            total += score
            shared += score * overlap[candidate]
            for joint in range(joints):
                unit = size * 2 * sigmas[joint]
                x = (candidates[candidate, joint, 0] - keypoints[pose, joint, 0]) / unit
                y = (candidates[candidate, joint, 1] - keypoints[pose, joint, 1]) / unit
                means[joint, 0] += score * x
                means[joint, 1] += score * y
                squares[joint] += score * (x * x + y * y)
                oks += exp(-(x * x + y * y) / 2)
            agreement += score * oks / joints
        if number == 0:
            continue
        row = result[pose]
        row[0], row[1], row[2] = log(float(number)), log(total), total / number
        row[3], row[4] = agreement / total, shared / total
        row[5], row[6], row[7], row[8] = 0.0, 0.0, 0.0, 1.0
        for joint in range(joints):
            x, y = means[joint, 0] / total, means[joint, 1] / total
            variance = max(squares[joint] / total - x * x - y * y, 0.0)
            spread, expected = sqrt(variance), exp(-variance / 2)
            row[5] += spread / joints
            row[6] = max(row[6], spread)
            row[7] += expected / joints
            row[8] = min(row[8], expected)
    return result
