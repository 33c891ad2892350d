"""Which poses to keep beside the threshold: no second pose of a person, and the joints of a task.

Rescoring itself keeps every pose; these are for whoever filters.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import SkeletonError
from rcnet_rt.poses.boxes import box_areas
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17, Skeleton

__all__ = ["Mask", "has_joints", "joint_confidence", "joint_indices", "suppress_duplicates"]

Mask = npt.NDArray[np.bool_]

# A person's area as a share of the box: CrowdPose's rule, COCO's median; and of the joints' extent.
AREA_OF_BOX, AREA_OF_EXTENT = 0.53, 0.8
MIN_SHARED_JOINTS = 3  # found in both poses, to say that they are of one person


def suppress_duplicates(poses: Poses, oks: float = 0.9, skeleton: Skeleton = COCO17) -> Mask:
    """Return which (N,) poses to keep: of those with a higher pairwise OKS the best by score.

    OKS-based non-maximum suppression, for after refining: the score that decides is the refined
    one. The OKS of two poses is over the joints found in both, with the smaller of their areas.

    Args:
        poses: of one image.
        oks: two poses of at least this OKS are of one person, in (0, 1].
        skeleton: whose sigmas.

    >>> points = np.random.default_rng(0).uniform(0, 300, (1, 17, 2))
    >>> twice = Poses(np.concatenate([points, points + 1]), [0.62, 0.64])
    >>> suppress_duplicates(twice).tolist()
    [False, True]
    """
    count = len(poses)
    kept = np.ones(count, np.bool_)
    if count < 2:
        return kept
    similarity = _pairwise_oks(poses, skeleton)
    order = np.argsort(-poses.scores, kind="stable")
    for place, index in enumerate(order):
        if kept[index]:
            others = order[place + 1 :]
            kept[others[similarity[index, others] >= oks]] = False
    return kept


def has_joints(
    poses: Poses,
    joints: Iterable[str],
    min_confidence: float = 0.3,
    skeleton: Skeleton = COCO17,
) -> Mask:
    """Return which (N,) poses have all these joints, found and with that confidence.

    The confidence is the calibrated one where the poses have it, else the estimator's joint score;
    without both, found is enough.

    Args:
        poses: of one image.
        joints: names of the skeleton's keypoints, or of both sides: "hips" is left and right hip.
        min_confidence: of each of these joints.
        skeleton: whose names.

    Raises:
        SkeletonError: a joint that the skeleton does not have.

    >>> poses = Poses(np.ones((1, 17, 2)), [0.9], keypoint_scores=np.full((1, 17), 0.5))
    >>> has_joints(poses, ["hips", "nose"]).tolist(), has_joints(poses, ["hips"], 0.6).tolist()
    ([True], [False])
    """
    indices = joint_indices(joints, skeleton)
    there = poses.found[:, indices]
    confidence = joint_confidence(poses)
    if confidence is not None:
        there &= confidence[:, indices] >= min_confidence
    return np.asarray(there.all(axis=1))


def joint_confidence(poses: Poses) -> npt.NDArray[np.float32] | None:
    """Return the (N, K) calibrated confidence of the joints, else the estimator's, else None.

    >>> joint_confidence(Poses(np.ones((1, 2, 2)), [0.9], keypoint_scores=[[0.5, 0.25]])).tolist()
    [[0.5, 0.25]]
    """
    return poses.keypoint_scores if poses.joint_confidence is None else poses.joint_confidence


def joint_indices(joints: Iterable[str], skeleton: Skeleton = COCO17) -> list[int]:
    """Return the places of joints by name; the plural of a joint is its left and right one.

    Raises:
        SkeletonError: a joint that the skeleton does not have.

    >>> joint_indices(["hips", "nose"])
    [11, 12, 0]
    """
    places = {name: [index] for index, name in enumerate(skeleton.keypoints)}
    for name in skeleton.keypoints:
        for side in ("left_", "right_"):
            if name.startswith(side):
                both = f"{name.removeprefix(side)}s"
                places.setdefault(both, []).append(skeleton.keypoints.index(name))
    unknown = [name for name in joints if name not in places]
    if unknown:
        raise SkeletonError(
            f"{skeleton.name} has no joint {', '.join(map(repr, unknown))}; it has "
            f"{', '.join(places)}"
        )
    return [index for name in joints for index in places[name]]


def _pairwise_oks(poses: Poses, skeleton: Skeleton) -> npt.NDArray[np.float64]:
    """Return (N, N) OKS over the joints that both poses have; 0 for too few."""
    points = poses.keypoints.astype(np.float64)
    both = poses.found[:, None] & poses.found
    areas = _areas(poses)
    area = np.minimum(areas[:, None], areas)[..., None]
    squares = ((points[:, None] - points) ** 2).sum(axis=3)
    variance = (2 * np.array(skeleton.sigmas)) ** 2
    with np.errstate(invalid="ignore"):
        joint = np.exp(-squares / (2 * np.maximum(area, 1e-9) * variance))
    shared = both.sum(axis=2)
    total = np.where(both, joint, 0.0).sum(axis=2)
    return np.where(shared >= MIN_SHARED_JOINTS, total / np.maximum(shared, 1), 0.0)


def _areas(poses: Poses) -> npt.NDArray[np.float64]:
    """Return (N,) areas of the people: of the box if there is one, else of the joints' extent."""
    if poses.boxes is not None:
        return np.asarray(AREA_OF_BOX * box_areas(poses.boxes.astype(np.float64)))
    low, high = (reduce(poses.keypoints, axis=1) for reduce in (np.fmin.reduce, np.fmax.reduce))
    return np.asarray(AREA_OF_EXTENT * np.nan_to_num(np.prod(high - low, axis=1)))
