"""A few numbers for each pose, of which monitoring takes means and quantiles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rcnet_rt.poses.boxes import box_areas
from rcnet_rt.poses.poses import Poses

__all__ = ["joint_confidences", "joints_found", "pose_heights", "pose_sizes", "torso_directions"]

MIN_JOINT_CONFIDENCE = 0.3  # below it a joint counts as not found

Numbers = npt.NDArray[np.floating]


def joint_confidences(poses: Poses) -> Numbers:
    """Return (N,) mean scores of the joints, 0 for one that was not found; NaN without scores."""
    confidence = poses.keypoint_scores
    if confidence is None or not confidence.shape[1]:
        return np.full(len(poses), np.nan)
    return np.asarray(np.where(poses.found, confidence, 0).mean(axis=1))


def pose_sizes(poses: Poses, image_height: float) -> Numbers:
    """Return (N,) square roots of the areas of boxes, or of the extents of joints, over the height.

    Args:
        poses: N poses; NaN for a pose that has neither.
        image_height: in pixels; NaN where it is unknown gives NaN.
    """
    if poses.boxes is not None:
        areas = box_areas(poses.boxes)
    else:
        found, keypoints = poses.found, poses.keypoints
        low = np.where(found[..., None], keypoints, np.inf).min(axis=1, initial=np.inf)
        high = np.where(found[..., None], keypoints, -np.inf).max(axis=1, initial=-np.inf)
        areas = np.where(found.any(axis=1), np.prod(np.maximum(high - low, 0), axis=1), np.nan)
    return np.asarray(np.sqrt(areas) / image_height)


def joints_found(poses: Poses) -> Numbers:
    """Return (N,) shares of the joints that were found, and are likely where they are scored."""
    found, confidence = poses.found, poses.keypoint_scores
    if not found.shape[1]:
        return np.full(len(poses), np.nan)
    if confidence is not None:
        found = found & (confidence >= MIN_JOINT_CONFIDENCE)
    return np.asarray(found.mean(axis=1))


def pose_heights(poses: Poses) -> Numbers:
    """Return (N,) mean y of the joints that were found, in pixels; NaN without any."""
    found = poses.found
    heights = np.where(found, poses.keypoints[..., 1], 0).sum(axis=1)
    count = found.sum(axis=1)
    return np.where(count, heights / np.maximum(count, 1), np.nan)


def torso_directions(poses: Poses, torso: npt.NDArray[np.intp]) -> Numbers:
    """Return (N, 2) unit vectors x, y up the torsos; NaN where a joint of it was not found.

    Args:
        poses: N poses.
        torso: (2, 2) keypoint indices of the links down its sides, the upper first.
    """
    upper, lower = (poses.keypoints[:, joints].sum(axis=1) for joints in torso.T)
    torsos = upper - lower
    lengths = np.hypot(*torsos.T)
    directions: Numbers = torsos / np.where(lengths > 0, lengths, np.nan)[:, None]
    return directions
