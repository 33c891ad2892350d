"""YOLO-Pose from the output of its network, whatever runs it.

Letterbox, threshold and suppression give the poses that ultralytics gives.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.estimators.network import Floats, Network
from rcnet_rt.estimators.yolo.candidates import MAX_CANDIDATES, host_consensus
from rcnet_rt.estimators.yolo.head import Head, skeleton_of
from rcnet_rt.estimators.yolo.letterbox import GREY, Placement, letterbox, placement
from rcnet_rt.estimators.yolo.suppression import MAX_POSES, suppress
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.constants import CANDIDATE_FLOOR
from rcnet_rt.rescoring.nms_consensus import Candidates
from rcnet_rt.rescoring.score_convention import INDEPENDENT, UNIT, UNIT_JOINTS, ScoreConvention

__all__ = ["DEFAULT_SIZE", "RawYoloPose"]

DEFAULT_SIZE = (640, 640)  # of images for a network that takes any
COCO_HEAD = Head()


class RawYoloPose:
    """YOLO-Pose on any runtime; with NMS consensus, unless the network suppresses by itself.

    Making one estimates a grey image, so that a wrong network fails here and the first image
    waits for nothing. Safe to use from several threads if its network is.

    Args:
        network: its only output is in pixels of its input.
        floor: poses with a lower box confidence are not returned.
        head: the layout of the output.
        size: (height, width) that images are fitted into, if the network takes any.

    Attributes:
        streams: how many images it works on at a time.

    Raises:
        EstimatorError: the network fails, has another output, or no skeleton has its joints.
    """

    family = "yolo-pose"
    score_convention = ScoreConvention(UNIT, UNIT_JOINTS, INDEPENDENT)

    def __init__(
        self,
        network: Network,
        *,
        floor: float,
        head: Head = COCO_HEAD,
        size: tuple[int, int] = DEFAULT_SIZE,
    ) -> None:
        self.name, self.streams = network.name, network.streams
        self.skeleton = skeleton_of(network.name, head.joints)
        self._network, self._floor, self._head = network, float(floor), head
        self._size = network.input_size or size
        self._stride = head.stride if network.input_size is None else None
        self._sigmas = np.asarray(self.skeleton.sigmas, np.float32)
        self.estimate(np.full((*self._size, 3), GREY, np.uint8))

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: the network fails.
        """
        image_rgb = letterbox(image_bgr, self._size, stride=self._stride)
        placed = placement(image_bgr.shape[:2], image_rgb.shape[:2])
        output = self._output(image_rgb)
        return self._final(output, placed) if self._head.end2end else self._kept(output, placed)

    def _output(self, image_rgb: Image) -> Floats:
        """Return the output of the network for one image, without the axis of the batch."""
        output, *_ = self._network.run(image_rgb, std=255)
        self._head.check(output.shape, self.name)
        first: Floats = output[0]
        return first

    def _final(self, rows: Floats, placed: Placement) -> Poses:
        """Return the poses of an end-to-end network: rows above the floor, in their order."""
        rows = rows[rows[:, 4] > self._floor][:MAX_POSES]
        return self._poses(rows, self._placed(rows, rows[:, :4], rows[:, 4], placed), placed)

    def _kept(self, columns: Floats, placed: Placement) -> Poses:
        """Return the poses that suppression keeps of the candidates, with their consensus."""
        scores = columns[4 : self._head.joints_from].max(axis=0)
        chosen = np.flatnonzero(scores >= min(self._floor, CANDIDATE_FLOOR))
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
        rows, scores = columns[:, chosen].T, scores[chosen]
        half = rows[:, 2:4] / np.float32(2)
        boxes = np.hstack([rows[:, :2] - half, rows[:, :2] + half])
        above = int((scores > self._floor).sum())
        kept = suppress(boxes[:above], self._classes(rows[:above]))
        found = self._placed(rows, boxes, scores, placed)
        count = int((scores[:MAX_CANDIDATES] >= CANDIDATE_FLOOR).sum())
        best = _selected(found, kept)
        consensus = host_consensus()(
            best.keypoints, best.boxes, _selected(found, slice(count)), self._sigmas
        )
        return replace(self._poses(rows[kept], best, placed), consensus=consensus)

    def _classes(self, rows: Floats) -> npt.NDArray[np.intp] | None:
        """Return the class of each candidate, or None where there is one class."""
        if self._head.classes == 1:
            return None
        classes: npt.NDArray[np.intp] = rows[:, 4 : self._head.joints_from].argmax(axis=1)
        return classes

    def _placed(self, rows: Floats, boxes: Floats, scores: Floats, placed: Placement) -> Candidates:
        """Return poses in pixels of the image."""
        joints = self._joints(rows)[..., :2]
        corners = boxes.reshape(-1, 2, 2)
        return Candidates(placed.to_image(joints), scores, placed.to_image(corners).reshape(-1, 4))

    def _joints(self, rows: Floats) -> Floats:
        """Return the (N, K, 2 or 3) values of the joints."""
        return rows[:, self._head.joints_from :].reshape(-1, self._head.joints, self._head.values)

    def _poses(self, rows: Floats, found: Candidates, placed: Placement) -> Poses:
        """Return poses; a joint at exactly (0, 0) with confidence 0 was not found."""
        keypoints, confidence = found.keypoints, None
        if self._head.values == 3:
            confidence = self._joints(rows)[..., 2]
            missing = (keypoints == 0).all(axis=2) & (confidence == 0)
            keypoints = np.where(missing[..., None], np.float32(np.nan), keypoints)
        return Poses(
            keypoints,
            found.scores,
            keypoint_scores=confidence,
            boxes=found.boxes,
            image_size=(int(placed.limit[0]), int(placed.limit[1])),
        )


def _selected(found: Candidates, index: Any) -> Candidates:
    return Candidates(found.keypoints[index], found.scores[index], found.boxes[index])
