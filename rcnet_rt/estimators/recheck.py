"""A recheck: the estimator once more, close up, at the poses whose rank is in doubt.

Who is right is found again on an image of him alone; a pose that the estimator made up is not. How
surely it is found again, by place and by score, is a signal for the refiner. It costs an inference
a pose.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators import Estimator
from rcnet_rt.poses.boxes import box_areas
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.oks import oks
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.rescoring.constants import AREA_OF_BOX, BELOW_FLOOR

__all__ = ["BatchEstimator", "Recheck", "agreement_with", "crop_around", "least_certain"]

MARGIN = 1.4  # side of the close-up over the longer side of the box
MOVED = 0.1  # of a refined score, worth counting
SMALLEST = 16  # pixels, of the close-up's side
GREY = 114  # what YOLO pads with


@runtime_checkable
class BatchEstimator(Protocol):
    """An estimator that takes several images at once."""

    def estimate_batch(self, images_bgr: Sequence[Image]) -> list[Poses]:
        """Return the poses of each image."""
        ...


class Recheck:
    """Looks at poses again; as an estimator it looks twice.

    Poses get their `agreement` if they were doubted, and are otherwise as they were.

    Args:
        estimator: looks, and looks again.
        refine: poses -> poses with refined scores, which say what is in doubt.
        most: look again at so many poses of an image at most.

    Attributes:
        looks: how many close-ups there were so far.
        moved: how many refined scores that changed, by more than 0.1.
        seconds: how long the close-ups took.
        first: the estimator for the first look, which may be in another thread: it waits while a
            recheck is under way.
    """

    def __init__(self, estimator: Estimator, refine: Callable[[Poses], Poses], most: int) -> None:
        self.name, self.family = estimator.name, estimator.family
        self.skeleton = estimator.skeleton
        self.score_convention = getattr(estimator, "score_convention", None)
        self.looks, self.moved, self.seconds = 0, 0, 0.0
        self._estimator, self._refine, self._most = estimator, refine, most
        self._alone = threading.Lock()
        self.first = _WithoutRecheck(estimator, self._alone)

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: the estimator fails, or gives no boxes.
        """
        return self.look(image_bgr, self.first.estimate(image_bgr))

    def look(self, image_bgr: Image, poses: Poses) -> Poses:
        """Return the poses of a first look at the image, those in doubt with their agreement.

        Raises:
            EstimatorError: the estimator fails, or gave no boxes.
        """
        if poses.boxes is None:
            raise EstimatorError(
                f"{self.name} gives no boxes to look closer at; do without --recheck"
            )
        once = self._refine(poses).scores
        chosen = least_certain(once, self._most)
        agreement = np.full(len(poses), np.nan, dtype=np.float32)
        if len(chosen) == 0:
            return replace(poses, agreement=agreement)
        views = [crop_around(image_bgr, poses.boxes[index]) for index in chosen]
        found = self._look([view for view, _ in views])
        for index, (_, corner), again in zip(chosen, views, found, strict=True):
            agreement[index] = agreement_with(poses[int(index)], again, corner, self.skeleton)
        looked = replace(poses, agreement=agreement)
        self.looks += len(chosen)
        change = np.abs(self._refine(looked).scores - once)[chosen]
        self.moved += int((change > MOVED).sum())
        return looked

    def _look(self, views: list[Image]) -> list[Poses]:
        with self._alone:
            begin = time.perf_counter()
            if isinstance(self._estimator, BatchEstimator):
                found = self._estimator.estimate_batch(views)
            else:
                found = [self._estimator.estimate(view) for view in views]
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


def least_certain(scores: npt.NDArray[np.floating], most: int) -> npt.NDArray[np.intp]:
    """Return the poses about which a refined score says least, the nearest to 1/2 first.

    Poses below the floor of the weights are not worth a look: nothing brings them back.

    >>> least_certain(np.array([0.97, 0.55, 0.0001, 0.2]), 2).tolist()
    [1, 3]
    """
    worth = np.flatnonzero(scores > BELOW_FLOOR)
    return worth[np.argsort(np.abs(scores[worth] - 0.5), kind="stable")[:most]]


def crop_around(
    image_bgr: Image, box: npt.NDArray[np.floating]
) -> tuple[Image, npt.NDArray[np.float32]]:
    """Return a square around a box, grey beyond the image's edge, and its upper left corner."""
    side = round(max(MARGIN * float((box[2:] - box[:2]).max()), SMALLEST))
    left, top = (round(float(middle) - side / 2) for middle in (box[:2] + box[2:]) / 2)
    view: Image = np.full((side, side, 3), GREY, dtype=np.uint8)
    part = image_bgr[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    row, column = max(-top, 0), max(-left, 0)
    view[row : row + part.shape[0], column : column + part.shape[1]] = part
    return view, np.array([left, top], dtype=np.float32)


def agreement_with(
    pose: Poses, again: Poses, corner: npt.NDArray[np.float32], skeleton: Skeleton
) -> float:
    """Return how surely a pose is found again in its close-up, 0 to 1.

    The largest OKS × √score of the poses there, 0 if there are none. The score counts because an
    estimator with a low threshold finds everything again, with scores near 0.
    """
    if len(again) == 0:
        return 0.0
    assert pose.boxes is not None
    boxes = pose.boxes.astype(np.float64)
    area = AREA_OF_BOX * np.maximum(box_areas(boxes), 1.0)
    similarity = oks(
        again.keypoints + corner, pose.keypoints, pose.found, area, boxes, skeleton.sigmas
    )
    return float((similarity.reshape(-1) * np.sqrt(np.clip(again.scores, 0, 1))).max())
