"""Recheck: re-run the estimator on a crop around each of the least certain poses.

True poses are found again, hallucinations usually are not. The agreement of position and score is
an input of the refiner. It costs one inference a pose.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators import BatchEstimator, Estimator
from rcnet_rt.poses.boxes import box_areas
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.oks import oks
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.rescoring.constants import AREA_OF_BOX, BELOW_FLOOR

__all__ = ["Recheck", "agreement", "agreement_with", "crop_around", "least_certain"]

MARGIN = 1.4  # side of the crop over the longer side of the box
MOVED = 0.1  # change of a refined score that is counted
MIN_SIDE = 16  # pixels, of a crop
GREY = 114  # what YOLO pads with


class Recheck:
    """An estimator that runs again on crops around the least certain poses.

    These poses get their `agreement`; nothing else of them changes.

    Args:
        estimator: for the whole images and the crops.
        refine: poses -> poses with refined scores, which determine the least certain.
        max_poses: rechecked in an image.

    Attributes:
        looks: number of crops so far.
        moved: number of refined scores that this changed by more than 0.1.
        seconds: spent on the crops.
        first: the estimator for whole images; it may run in another thread, and waits while a
            recheck runs.
    """

    def __init__(
        self, estimator: Estimator, refine: Callable[[Poses], Poses], max_poses: int
    ) -> None:
        self.name, self.family = estimator.name, estimator.family
        self.skeleton = estimator.skeleton
        self.score_convention = getattr(estimator, "score_convention", None)
        self.looks, self.moved, self.seconds = 0, 0, 0.0
        self._estimator, self._refine, self._max_poses = estimator, refine, max_poses
        self._alone = threading.Lock()
        self.first = _WithoutRecheck(estimator, self._alone)

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: the estimator fails, or gives no boxes.
        """
        return self.look(image_bgr, self.first.estimate(image_bgr))

    def look(self, image_bgr: Image, poses: Poses) -> Poses:
        """Return the poses that the estimator found in the image, the least certain with agreement.

        Raises:
            EstimatorError: the estimator fails, or gave no boxes.
        """
        if poses.boxes is None:
            raise EstimatorError(f"{self.name} gives no boxes to crop around; leave --recheck out")
        once = self._refine(poses).scores
        chosen = least_certain(once, self._max_poses)
        agreement = np.full(len(poses), np.nan, dtype=np.float32)
        if len(chosen) == 0:
            return replace(poses, agreement=agreement)
        views = [crop_around(image_bgr, poses.boxes[index]) for index in chosen]
        found = self._estimate_crops([view for view, _ in views])
        for index, (_, corner), again in zip(chosen, views, found, strict=True):
            agreement[index] = agreement_with(poses[int(index)], again, corner, self.skeleton)
        rechecked = replace(poses, agreement=agreement)
        self.looks += len(chosen)
        change = np.abs(self._refine(rechecked).scores - once)[chosen]
        self.moved += int((change > MOVED).sum())
        return rechecked

    def _estimate_crops(self, crops: list[Image]) -> list[Poses]:
        with self._alone:
            begin = time.perf_counter()
            if isinstance(self._estimator, BatchEstimator):
                found = self._estimator.estimate_batch(crops)
            else:
                found = [self._estimator.estimate(view) for view in crops]
            self.seconds += time.perf_counter() - begin
        return found


class _WithoutRecheck:
    """An estimator that is used by one thread at a time."""

    def __init__(self, estimator: Estimator, alone: threading.Lock) -> None:
        self.name, self.family = estimator.name, estimator.family
        self.skeleton = estimator.skeleton
        self._estimator, self._alone = estimator, alone

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses of an image."""
        with self._alone:
            return self._estimator.estimate(image_bgr)


def least_certain(scores: npt.NDArray[np.floating], count: int) -> npt.NDArray[np.intp]:
    """Return the indices of the least certain poses, those with scores nearest to 1/2 first.

    Poses below the floor of the weights are left out: their scores stay below all others.

    >>> least_certain(np.array([0.97, 0.55, 0.0001, 0.2]), 2).tolist()
    [1, 3]
    """
    above = np.flatnonzero(scores > BELOW_FLOOR)
    return above[np.argsort(np.abs(scores[above] - 0.5), kind="stable")[:count]]


def crop_around(
    image_bgr: Image, box: npt.NDArray[np.floating]
) -> tuple[Image, npt.NDArray[np.float32]]:
    """Return a square around a box, grey beyond the image's edge, and its upper left corner."""
    side = round(max(MARGIN * float((box[2:] - box[:2]).max()), MIN_SIDE))
    left, top = (round(float(middle) - side / 2) for middle in (box[:2] + box[2:]) / 2)
    view: Image = np.full((side, side, 3), GREY, dtype=np.uint8)
    part = image_bgr[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    row, column = max(-top, 0), max(-left, 0)
    view[row : row + part.shape[0], column : column + part.shape[1]] = part
    return view, np.array([left, top], dtype=np.float32)


def agreement_with(
    pose: Poses, again: Poses, corner: npt.NDArray[np.float32], skeleton: Skeleton
) -> float:
    """Return the agreement of a pose with those found again in its crop, 0 to 1."""
    moved = replace(again, keypoints=again.keypoints + corner, boxes=None)
    return float(agreement(pose, moved, skeleton)[0])


def agreement(poses: Poses, again: Poses, skeleton: Skeleton) -> npt.NDArray[np.float32]:
    """Return the (N,) agreement of N poses with those that were found again, 0 to 1.

    The largest OKS × √score of the poses found again, 0 if there are none. The score is a factor
    because an estimator with a low threshold finds everything again, with scores near 0.
    """
    if len(again) == 0 or len(poses) == 0:
        return np.zeros(len(poses), np.float32)
    assert poses.boxes is not None
    boxes = poses.boxes.astype(np.float64)
    area = AREA_OF_BOX * np.maximum(box_areas(boxes), 1.0)
    similarity = oks(again.keypoints, poses.keypoints, poses.found, area, boxes, skeleton.sigmas)
    weighted = similarity * np.sqrt(np.clip(again.scores, 0, 1))[:, None]
    best: npt.NDArray[np.float32] = weighted.max(axis=0).astype(np.float32)
    return best
