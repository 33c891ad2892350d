"""Object keypoint similarity (OKS) and the one-to-one matching of poses to people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["THRESHOLDS", "Match", "match", "oks", "share_of_thresholds"]

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

# COCO's ten thresholds, .50:.05:.95, made by the call that pycocotools makes.
THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10, dtype=np.float64)
THRESHOLDS.flags.writeable = False


def oks(
    keypoints: npt.ArrayLike,
    person_keypoints: npt.ArrayLike,
    visible: npt.ArrayLike,
    areas: npt.ArrayLike,
    boxes: npt.ArrayLike,
    sigmas: npt.ArrayLike,
) -> Floats:
    """Return the (N, G) OKS of N poses with G people, in [0, 1] (COCO's `computeOks`, in float64).

    The mean over a person's labelled joints of exp(-d² / (2 area (2 sigma)²)). A person without
    labelled joints (a crowd, somebody too small) has COCO's substitute: over all joints, d is the
    distance to the box grown by its own size on each side, 0 inside.

    A joint of a pose that was not found (NaN) counts as (0, 0), because that is what a COCO
    results file says of it.

    Args:
        keypoints: (N, K, 2) image pixels, NaN for a joint that was not found.
        person_keypoints: (G, K, 2) image pixels; not read where not visible.
        visible: (G, K) whether the joint is labelled (COCO's v > 0).
        areas: (G,) square pixels.
        boxes: (G, 4) x1, y1, x2, y2.
        sigmas: (K,) standard deviations of the annotators, as in `Skeleton.sigmas`.

    >>> box, sigmas = [[0, 0, 10, 10]], [0.1, 0.1]
    >>> oks([[[1, 2], [3, 4]]], [[[1, 2], [0, 0]]], [[True, False]], [100], box, sigmas).tolist()
    [[1.0]]
    """
    poses = np.nan_to_num(_floats(keypoints), nan=0.0, posinf=np.inf, neginf=-np.inf)[:, None]
    labeled: Booleans = np.asarray(visible, dtype=bool)
    offset = poses - _floats(person_keypoints)
    unlabeled: Booleans = ~np.any(labeled, axis=1)
    if unlabeled.any():
        offset[:, unlabeled] = _outside(poses, _floats(boxes)[unlabeled])
        labeled = labeled | unlabeled[:, None]
    scale = 2 * (2 * _floats(sigmas)) ** 2 * (_floats(areas)[:, None] + np.spacing(1.0))
    similarity = np.exp(-(offset**2).sum(axis=-1) / scale)
    mean: Floats = (similarity * labeled).sum(axis=-1) / labeled.sum(axis=-1)
    return mean


def _outside(points: Floats, boxes: Floats) -> Floats:
    """Return how far (N, 1, K, 2) points lie outside of (U, 4) boxes grown by their own size."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    size = high - low
    outside: Floats = np.maximum(low - size - points, 0) + np.maximum(points - high - size, 0)
    return outside


@dataclass(frozen=True, eq=False)
class Match:
    """Which person each of N poses is, and how well it fits.

    Attributes:
        target: (N,) OKS with the matched person; 0 for duplicates and background.
        person: (N,) index of the person, -1 for none.
        weight: (N,) 1, or 0 for a pose of somebody whom COCO does not count (see `match`).
    """

    target: Floats
    person: npt.NDArray[np.int64]
    weight: Floats

    def __len__(self) -> int:
        return len(self.target)


def match(
    similarity: npt.ArrayLike, ignore: npt.ArrayLike, scores: npt.ArrayLike | None = None
) -> Match:
    """Match poses one to one to countable people, the highest OKS first.

    Pairs with OKS 0 are never matched. Between equal pairs the pose of higher score wins, then the
    earlier one. A pose that reaches OKS 0.5 with a crowd or a person without keypoints, and with
    its own match does not, weighs 0: nobody knows whether it is right.

    Args:
        similarity: (N, G) OKS.
        ignore: (G,) whether COCO does not count the person.
        scores: (N,) confidences, for ties only.

    >>> match([[0.9, 0.1], [0.8, 0.0], [0.0, 0.3]], [False, False]).target.tolist()
    [0.9, 0.0, 0.3]
    """
    similarity, ignored = _floats(similarity), np.asarray(ignore, dtype=bool)
    count = len(similarity)
    order = np.arange(count) if scores is None else np.argsort(-_floats(scores), kind="stable")
    target, person = np.zeros(count), np.full(count, -1, dtype=np.int64)
    rest = np.where(ignored, 0.0, similarity)[order]
    while rest.size and (best := rest.max()) > 0:
        row, column = np.unravel_index(rest.argmax(), rest.shape)
        target[order[row]], person[order[row]] = best, column
        rest[row], rest[:, column] = 0, 0
    unknown = similarity[:, ignored].max(axis=1, initial=0.0) >= THRESHOLDS[0]
    weight = np.where(unknown & (target < THRESHOLDS[0]), 0.0, 1.0)
    return Match(target, person, weight)


def share_of_thresholds(similarity: npt.ArrayLike) -> Floats:
    """Return the share of COCO's ten OKS thresholds that is reached, in [0, 1].

    >>> share_of_thresholds([0.49, 0.5, 0.76, 1.0]).tolist()
    [0.0, 0.1, 0.6, 1.0]
    """
    reached = np.searchsorted(THRESHOLDS, _floats(similarity), side="right")
    return np.asarray(reached / len(THRESHOLDS))


def _floats(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)
