"""Poses of the mirror image."""

from __future__ import annotations

from dataclasses import replace

from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["mirror"]


def mirror(poses: Poses, skeleton: Skeleton, width: float) -> Poses:
    """Return horizontally mirrored poses: x becomes width - x, left and right joints swap."""
    order = list(skeleton.flip_order)
    keypoints = poses.keypoints[:, order].copy()
    keypoints[..., 0] = width - keypoints[..., 0]
    boxes = None
    if poses.boxes is not None:
        boxes = poses.boxes[:, [2, 1, 0, 3]].copy()
        boxes[:, [0, 2]] = width - boxes[:, [0, 2]]
    joint_scores = None if poses.keypoint_scores is None else poses.keypoint_scores[:, order]
    return replace(poses, keypoints=keypoints, boxes=boxes, keypoint_scores=joint_scores)
