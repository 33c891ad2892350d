"""What the joint head reads of a pose beside the features of its score: the joints one by one.

Written once for NumPy, torch and traced arrays, like `rescoring.features`. All values are finite
and bounded, so that they need no standardisation.
"""

from __future__ import annotations

from rcnet_rt.poses.arrays import Array, logit, namespace, numbers
from rcnet_rt.poses.boxes import box_areas
from rcnet_rt.rescoring.batch import PoseBatch
from rcnet_rt.rescoring.constants import CLIP, LOG_SIZE, MAX_PLACE, MIN_SIDE

__all__ = ["feature_count", "joint_features", "pose_size"]


def feature_count(joints: int) -> int:
    """Return the number of columns of `joint_features` for poses of K joints.

    >>> feature_count(17)
    54
    """
    return 3 * joints + 3


def pose_size(poses: PoseBatch) -> Array:
    """Return (P,) square roots of the box areas, in pixels and above 0."""
    xp = namespace(poses.scores)
    return xp.sqrt(xp.clip(box_areas(poses.boxes), MIN_SIDE**2, None))


def joint_features(poses: PoseBatch, refined: Array, size: Array) -> Array:
    """Return (P, 3K + 3) features.

    They are the logit of each joint's score; its x, then its y in the box, from -1 at one edge to 1
    at the other, 0 where it was not found; the logit of the refined score; the log of the size; and
    whether the pose has joint scores, that is, one of the found joints has another score than 1.

    Args:
        poses: P poses of K joints.
        refined: (P,) refined scores.
        size: (P,) `pose_size` of the poses.
    """
    xp, scores = namespace(poses.scores), poses.keypoint_scores
    found = numbers(poses.found, poses.scores)
    middle = (poses.boxes[:, :2] + poses.boxes[:, 2:]) / 2
    half_sides = xp.clip((poses.boxes[:, 2:] - poses.boxes[:, :2]) / 2, MIN_SIDE, None)
    axes = poses.keypoints.swapaxes(1, 2)  # (P, 2, K): all x, then all y
    offsets = (axes - middle[:, :, None]) / half_sides[:, :, None]
    places = xp.clip(offsets, -MAX_PLACE, MAX_PLACE) * found[:, None]
    lowest = xp.amin(xp.where(poses.found, scores, 1.0), 1)
    log_size = xp.clip(xp.log(size) - LOG_SIZE, -CLIP, CLIP)
    columns = [
        logit(scores),
        places.reshape(-1, 2 * poses.keypoints.shape[1]),
        xp.stack([logit(refined), log_size, numbers(lowest < 1, poses.scores)], 1),
    ]
    return xp.concatenate(columns, 1)
