"""What the joint head reads of each joint: its score, its limbs and its place in the pose.

Written once for NumPy, torch and traced arrays, like `rescoring.features`. All values are finite
and bounded, so that they need no standardisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from rcnet_rt.poses.arrays import Array, logit, namespace, numbers
from rcnet_rt.poses.boxes import box_areas, box_sides
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.rescoring.batch import PoseBatch
from rcnet_rt.rescoring.constants import MAX_LENGTH, MIN_SIDE

__all__ = ["JOINT_FEATURES", "Neighbours", "joint_features", "neighbours", "pose_size"]

JOINT_FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "score": "logit of the joint's score",
        "known": "whether the pose has joint scores: one of the found joints has another than 1",
        "mirror score": "score of the joint on the other side",
        "first score": "score of the joint at the other end of the first link",
        "last score": "the same of the last link",
        "mirror distance": "distance to the joint on the other side / size",
        "first length": "length of the first link / size",
        "last length": "length of the last link / size",
        "dx": "x minus that of the joint at the other end of the first link, / size",
        "dy": "the same for y",
        "x": "place in the box: -1 at the left edge, 1 at the right",
        "y": "place in the box: -1 at the top, 1 at the bottom",
    }
)


class Neighbours(NamedTuple):
    """Other joints that a joint is compared with, K indices each; itself where there is none.

    Attributes:
        mirror: on the other side of the body.
        first: at the other end of its first link in the skeleton's order, as a rule the inner one.
        last: at the other end of its last link, as a rule the outer one.
    """

    mirror: list[int]
    first: list[int]
    last: list[int]


def neighbours(skeleton: Skeleton) -> Neighbours:
    """Return the neighbours of each joint.

    >>> from rcnet_rt.poses.skeletons import COCO17
    >>> [indices[7] for indices in neighbours(COCO17)]  # of the left elbow
    [8, 5, 9]
    """
    linked: list[list[int]] = [[] for _ in skeleton.keypoints]
    for one, other in skeleton.links:
        linked[one].append(other)
        linked[other].append(one)
    some = [others or [joint] for joint, others in enumerate(linked)]
    return Neighbours(
        list(skeleton.flip_order), [others[0] for others in some], [others[-1] for others in some]
    )


def pose_size(poses: PoseBatch) -> Array:
    """Return (P,) square roots of the box areas, in pixels and above 0."""
    xp = namespace(poses.scores)
    return xp.sqrt(xp.clip(box_areas(poses.boxes), MIN_SIDE**2, None))


def joint_features(poses: PoseBatch, skeleton: Skeleton, size: Array) -> Array:
    """Return the (P, F, K) features of `JOINT_FEATURES`, in that order.

    What a joint that was not found would tell is 0.

    Args:
        poses: P poses of K joints.
        skeleton: of the poses.
        size: (P,) `pose_size` of the poses.
    """
    xp, near = namespace(poses.scores), neighbours(skeleton)
    found, scores = numbers(poses.found, poses.scores), poses.keypoint_scores
    known = numbers((poses.found & (scores < 1)).any(axis=1), poses.scores)
    sides = xp.clip(box_sides(poses.boxes), MIN_SIDE, None)

    def place(axis: int) -> Array:
        """Place along an axis, from the middle of the box, / size."""
        middle = (poses.boxes[:, axis] + poses.boxes[:, axis + 2]) / 2
        return found * _bounded((poses.keypoints[:, :, axis] - middle[:, None]) / size[:, None])

    def offset(places: Array, others: list[int]) -> Array:
        """Difference to other joints; 0 where one of the two was not found."""
        return found * found[:, others] * (places - places[:, others])

    def distance(others: list[int]) -> Array:
        dx, dy = offset(x, others), offset(y, others)
        return xp.sqrt(dx * dx + dy * dy)

    x, y = place(0), place(1)
    planes = [
        logit(scores),
        found * known[:, None],
        *(scores[:, others] for others in near),
        *(distance(others) for others in near),
        offset(x, near.first),
        offset(y, near.first),
        _bounded(x * (2 * size / sides[0])[:, None]),
        _bounded(y * (2 * size / sides[1])[:, None]),
    ]
    return xp.stack(planes, 1)


def _bounded(lengths: Array) -> Array:
    return namespace(lengths).clip(lengths, -MAX_LENGTH, MAX_LENGTH)
