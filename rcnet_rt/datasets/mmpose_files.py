"""What MMPose's demo and inferencer write: instances of an image, or of each frame of a video.

An instance has `keypoints` [[x, y], …], `keypoint_scores`, `bbox` x1, y1, x2, y2 and `bbox_score`,
which is its raw score. Refining adds `score` to each instance and changes nothing else.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.datasets.files import write_json
from rcnet_rt.datasets.ids import ImageId
from rcnet_rt.datasets.pose_objects import joint_estimates_of
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.adapters import BODY_FIRST, found_joints
from rcnet_rt.poses.arrays import float32_of
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17, Skeleton

__all__ = ["MMPoseFile", "is_mmpose", "read_mmpose"]

Instance = dict[str, Any]


@dataclass(frozen=True, eq=False)
class MMPoseFile:
    """A file as it stands, and the poses of its frames.

    Attributes:
        content: what the file holds.
        names: number of each frame, from 0, or the name of the only image.
        images: poses of each frame.
        skeleton: of the keypoints.
    """

    content: Any
    names: list[ImageId]
    images: list[Poses]
    skeleton: Skeleton
    kind = "MMPose predictions"
    every_frame = False

    def write(self, path: Path, refined: Sequence[Poses], threshold: float, weights: str) -> None:
        """Write the same content with a `score`, and joint estimates, for each instance.

        Raises:
            OutputError: the file cannot be written.
        """
        content = copy.deepcopy(self.content)
        for (_, instances), poses in zip(_frames(content, ""), refined, strict=True):
            for row, instance in enumerate(instances):
                instance["score"] = float(poses.scores[row])
                instance |= joint_estimates_of(poses, row)
        write_json(path, content)


def is_mmpose(content: Any) -> bool:
    """Return whether a JSON value is of this form."""
    if isinstance(content, dict):
        return "instance_info" in content
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and ("instances" in first or "keypoint_scores" in first)


def read_mmpose(path: Path, content: Any) -> MMPoseFile:
    """Return the poses in what a file holds.

    Raises:
        DatasetError: an instance lacks something, or is of an unknown skeleton.
    """
    try:
        frames = _frames(content, path.name.split(".")[0].removeprefix("results_"))
        instances = [instance for _, some in frames for instance in some]
        skeleton = _skeleton(instances)
        images = [_poses(some, len(skeleton.keypoints)) for _, some in frames]
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise DatasetError(
            f"{path} is not MMPose's predictions ({type(error).__name__}: {error}); expected "
            "instances with keypoints and keypoint_scores"
        ) from error
    return MMPoseFile(content, [name for name, _ in frames], images, skeleton)


def _frames(content: Any, name: str) -> list[tuple[ImageId, list[Instance]]]:
    """Return each frame's number and instances; of a single image its name."""
    # The demo counts frames from 1, the inferencer from 0.
    demo = isinstance(content, dict)
    listed = content["instance_info"] if demo else content
    if listed and "instances" in listed[0]:
        return [(int(frame["frame_id"]) - demo, frame["instances"]) for frame in listed]
    return [(name, listed)]


def _skeleton(instances: list[Instance]) -> Skeleton:
    """Return the skeleton by the number of joints; of whole bodies COCO's first 17."""
    counts = {len(instance["keypoints"]) for instance in instances} or {17}
    if len(counts) > 1:
        raise ValueError(f"instances of {' and of '.join(map(str, sorted(counts)))} joints")
    count = counts.pop()
    known = [COCO17] if count in BODY_FIRST else skeletons.with_keypoints(count)
    if not known:
        raise ValueError(f"{count} joints, for which no skeleton is known")
    return known[0]


def _poses(instances: list[Instance], joints: int) -> Poses:
    if not instances:
        return Poses.empty(joints)
    points = float32_of([instance["keypoints"][:joints] for instance in instances])[..., :2]
    confidences = float32_of([instance["keypoint_scores"][:joints] for instance in instances])
    values = np.concatenate([points, confidences[..., None]], axis=2)
    scores = [_score(instance) for instance in instances]
    boxes = [np.ravel(instance.get("bbox") or ()) for instance in instances]
    return Poses(
        np.where(found_joints(values)[..., None], points, np.float32(np.nan)),
        float32_of(scores),
        keypoint_scores=confidences,
        boxes=float32_of(boxes) if all(len(box) == 4 for box in boxes) else None,
    )


def _score(instance: Instance) -> float:
    """Return the score of the person, or the mean of the joints' where no detector gave one."""
    for key in ("score", "bbox_score"):
        if instance.get(key) is not None:
            return float(np.ravel(instance[key])[0])
    return float(np.mean(instance["keypoint_scores"]))
