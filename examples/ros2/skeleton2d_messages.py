"""Poses as hri_msgs/Skeleton2D of ROS4HRI (REP-155): one message for each pose that is kept.

18 points of x and y as shares of the image and a confidence c, all in [0, 1]. Each joint goes where
the message's own constants say: the order is that of OpenPose's 18 points, but for eyes and ears,
where hri_msgs has the left one first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hri_msgs.msg import NormalizedPointOfInterest2D, Skeleton2D
from pose_refinement import Answer

from rcnet_rt.poses import skeletons
from rcnet_rt.poses.poses import Poses

Message, TOPIC = Skeleton2D, "~/skeleton2d"

POINTS = 18
NECK = ("left_shoulder", "right_shoulder")  # between them, for skeletons without a neck
NOWHERE = (0.0, 0.0, 0.0)  # a joint that was not found, or that the skeleton lacks


def to_messages(answer: Answer, header: Any) -> list[Skeleton2D]:
    """Return the poses that are kept, each with the header of their image."""
    poses = answer.poses[answer.kept]
    names = skeletons.with_keypoints(poses.keypoints.shape[1])[0].keypoints
    messages = []
    for values in _normalised(poses, answer.image_size).tolist():
        joints = dict(zip(names, values, strict=True))
        joints.setdefault("neck", _between(*(joints[name] for name in NECK)))
        message = Skeleton2D()
        message.header = header
        message.skeleton = [_point(*NOWHERE) for _ in range(POINTS)]
        for name, joint in joints.items():
            if (place := getattr(Skeleton2D, name.upper(), None)) is not None:
                message.skeleton[place] = _point(*joint)
        messages.append(message)
    return messages


def _normalised(poses: Poses, image_size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """(N, K, 3) x, y, c in [0, 1], zeros for joints that were not found; edges hold what is out."""
    confidence = poses.joint_confidence  # calibrated, of weights with a joint head
    if confidence is None:
        confidence = poses.keypoint_scores
    if confidence is None:
        confidence = np.broadcast_to(poses.scores[:, None], poses.keypoints.shape[:2])
    points = np.concatenate([poses.keypoints / image_size, confidence[..., None]], axis=2)
    return np.where(np.isfinite(points).all(axis=2, keepdims=True), points.clip(0, 1), 0.0)


def _between(first: list[float], second: list[float]) -> list[float]:
    """Return the middle of two joints, as certain as the less certain of them."""
    confidence = min(first[2], second[2])
    if confidence == 0:
        return list(NOWHERE)
    return [(first[0] + second[0]) / 2, (first[1] + second[1]) / 2, confidence]


def _point(x: float, y: float, c: float) -> NormalizedPointOfInterest2D:
    point = NormalizedPointOfInterest2D()
    point.x, point.y, point.c = x, y, c
    return point
