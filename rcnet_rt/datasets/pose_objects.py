"""Poses as the JSON objects of our JSON Lines, and back, to the bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.poses.adapters import parse_signals
from rcnet_rt.poses.arrays import float32_of
from rcnet_rt.poses.joint_estimates import joint_estimates
from rcnet_rt.poses.poses import Poses

__all__ = ["joint_estimates_of", "parse_poses", "pose_objects", "signals_of"]


def pose_objects(poses: Poses, kept: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return N poses, and (N,) which are kept, as JSON objects."""
    raw = poses.estimator_scores
    columns = [poses.keypoints]
    if poses.keypoint_scores is not None:
        columns.append(poses.keypoint_scores[..., None])
    joints = np.concatenate(columns, axis=2).tolist()
    objects = []
    for index, found in enumerate(poses.found):
        pose: dict[str, Any] = {
            "keypoints": [
                [_number(value) for value in joint] if there else None
                for joint, there in zip(joints[index], found, strict=True)
            ]
        }
        if poses.boxes is not None:
            pose["box"] = [_number(value) for value in poses.boxes[index].tolist()]
        pose["score_raw"] = _number(float(raw[index]))
        pose["score"] = _number(float(poses.scores[index]))
        pose["kept"] = bool(kept[index])
        if poses.track_ids is not None:
            pose["track"] = int(poses.track_ids[index])
        pose |= signals_of(poses, index) | joint_estimates_of(poses, index)
        objects.append(pose)
    return objects


def signals_of(poses: Poses, index: int) -> dict[str, Any]:
    """Return what else is known of a pose, by the names that files have for it."""
    signals: dict[str, Any] = {}
    if poses.consensus is not None and not np.isnan(poses.consensus[index]).any():
        signals["consensus"] = [_number(value) for value in poses.consensus[index].tolist()]
    if poses.agreement is not None and not np.isnan(poses.agreement[index]):
        signals["agreement"] = float(poses.agreement[index])
    if poses.embeddings is not None and not np.isnan(poses.embeddings[index]).all():
        signals["embedding"] = [_number(value) for value in poses.embeddings[index].tolist()]
    return signals


def joint_estimates_of(poses: Poses, index: int) -> dict[str, Any]:
    """Return calibrated confidence and covariance of the joints of a pose, where it has them."""
    confidence, covariance = poses.joint_confidence, poses.joint_covariance
    return joint_estimates(
        None if confidence is None else confidence[index],
        None if covariance is None else covariance[index],
    )


def _number(value: float) -> float | None:
    """JSON knows no NaN and no infinity: null."""
    return value if math.isfinite(value) else None


def parse_poses(objects: list[dict[str, Any]], joints: int, image_size: Any) -> Poses:
    """Return the poses that objects hold, with their raw scores as scores.

    Raises:
        ValueError, TypeError, KeyError: they are no poses of so many joints.
    """
    if not isinstance(objects, list):
        raise TypeError(f"poses is {objects!r:.40}, expected a list")
    if not objects:
        return Poses.empty(joints, image_size)
    found = [joint for pose in objects for joint in pose["keypoints"] if joint is not None]
    width = len(found[0]) if found else 3
    missing = [math.nan, math.nan, 0.0][:width]
    values = float32_of(
        [[missing if joint is None else joint for joint in pose["keypoints"]] for pose in objects]
    )
    if values.shape[1:] != (joints, width) or width not in (2, 3):
        raise ValueError(f"got keypoints of shape {values.shape[1:]}")
    has_boxes = all("box" in pose for pose in objects)
    tracks = [pose.get("track") for pose in objects]  # null, or none, for a pose of no track
    ids = [-1 if track is None else track for track in tracks]
    return Poses(
        values[..., :2],
        float32_of([pose["score_raw"] for pose in objects]),
        keypoint_scores=values[..., 2] if width == 3 else None,
        boxes=float32_of([pose["box"] for pose in objects]) if has_boxes else None,
        track_ids=np.array(ids) if any(track is not None for track in tracks) else None,
        image_size=image_size,
        **parse_signals(objects),
    )
