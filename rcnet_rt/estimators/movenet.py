"""MoveNet: the single-pose models on the boxes of a person detector, and the multi-pose model.

Source: Google's model cards "MoveNet.SinglePose" and "MoveNet.MultiPose". Points are y, x in shares
of the input; the joints are those of COCO, in its order.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.network import Floats, Network, fit
from rcnet_rt.estimators.protocol import Estimator
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring.score_convention import PRODUCT, UNIT, UNIT_JOINTS, ScoreConvention

__all__ = ["MIN_BOX_SCORE", "MoveNet", "MoveNetMultiPose"]

JOINTS = len(COCO17.keypoints)
MIN_BOX_SCORE = 0.1  # each box costs an inference, and those below are hardly ever people
MARGIN = 1.25  # side of the crop over the longer side of the box
MIN_SIDE = 1.0  # pixels, of the crop of an empty box
CORNERS = np.array([[0, 0], [1, 0], [0, 1]], np.float32)  # of a square, as many as define a crop
LONGER_SIDE, STEP = 256, 32  # of the multi-pose model's input: recommended, and a multiple of


class MoveNet:
    """A person detector and a single-pose MoveNet; the pose score is box × mean joint score.

    A joint whose score is not above 0 was not found.

    Args:
        network: MoveNet Lightning or Thunder.
        detector: an estimator that gives boxes; its poses are not used.
        floor: poses with a lower score are not returned.
    """

    family = "movenet"
    skeleton = COCO17
    score_convention = ScoreConvention(UNIT, UNIT_JOINTS, PRODUCT)

    def __init__(self, network: Network, detector: Estimator, *, floor: float) -> None:
        self.name = network.name
        self._network, self._detector, self._floor = network, detector, floor

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: a model fails, or the detector gives no boxes.
        """
        people = self._detector.estimate(image_bgr)
        size = image_bgr.shape[1], image_bgr.shape[0]
        people = people[people.scores >= MIN_BOX_SCORE]
        if len(people) == 0:
            return Poses.empty(JOINTS, size)
        if people.boxes is None:
            raise EstimatorError(
                f"{self._detector.name} gives no boxes; choose another detector, such as yolo-pose"
            )
        joints = np.stack([self._joints(image_bgr, box) for box in people.boxes])
        joint_scores = joints[..., 2]
        found = joint_scores > 0
        mean = np.where(found, joint_scores, 0).sum(1) / np.maximum(found.sum(1), 1)
        poses = Poses(
            np.where(found[..., None], joints[..., :2], np.nan),
            np.asarray(people.scores * mean, np.float32),
            keypoint_scores=joint_scores,
            boxes=people.boxes,
            image_size=size,
        )
        return poses[poses.scores >= self._floor]

    def _joints(self, image_bgr: Image, box: Floats) -> Floats:
        """Return the (K, 3) x, y and score of the joints of the person in a box."""
        assert self._network.input_size is not None
        width = self._network.input_size[1]
        side = max(MARGIN * float((box[2:] - box[:2]).max()), MIN_SIDE)
        corner = (box[:2] + box[2:]) / 2 - np.float32(side / 2)
        to_crop = cv2.getAffineTransform(corner + CORNERS * np.float32(side), CORNERS * width)
        crop: Any = cv2.warpAffine(image_bgr, to_crop, (width, width))
        (output,) = self._network.run(np.ascontiguousarray(crop[..., ::-1]))
        found = output.reshape(JOINTS, 3)
        return np.column_stack([corner + found[:, 1::-1] * np.float32(side), found[:, 2]])


class MoveNetMultiPose:
    """The multi-pose MoveNet, up to six people at once; the pose score is the network's.

    Args:
        network: MoveNet MultiPose.
        floor: poses with a lower score are not returned.
    """

    family = "movenet-multipose"
    skeleton = COCO17
    score_convention = ScoreConvention(UNIT, UNIT_JOINTS)

    def __init__(self, network: Network, *, floor: float) -> None:
        self.name = network.name
        self._network, self._floor = network, floor

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: the model fails.
        """
        height, width = self._network.input_size or _multi_pose_size(image_bgr)
        fitted = fit(image_bgr, (height, width), grey=0)
        (output,) = self._network.run(fitted.rgb)
        people = output[0][output[0, :, -1] >= self._floor]
        sides = np.array([width, height], np.float32)
        joints = people[:, : 3 * JOINTS].reshape(-1, JOINTS, 3)
        corners = people[:, 3 * JOINTS : -1].reshape(-1, 2, 2)
        return Poses(
            fitted.to_image(joints[..., 1::-1] * sides),
            people[:, -1],
            keypoint_scores=joints[..., 2],
            boxes=fitted.to_image(corners[..., ::-1] * sides).reshape(-1, 4),
            image_size=(image_bgr.shape[1], image_bgr.shape[0]),
        )


def _multi_pose_size(image_bgr: Image) -> tuple[int, int]:
    """Return the (height, width) of the input for an image: multiples of 32.

    >>> _multi_pose_size(np.zeros((480, 640, 3), np.uint8))
    (192, 256)
    """
    ratio = LONGER_SIDE / max(image_bgr.shape[:2])
    height, width = (math.ceil(side * ratio / STEP) * STEP for side in image_bgr.shape[:2])
    return height, width
