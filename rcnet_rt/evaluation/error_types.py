"""What is wrong with the poses of an image, after Ronchi & Perona (ICCV 2017).

A pose belongs to the person that it is matched to (one to one, the highest OKS first, from OKS 0.1
on). Its kind is

right        matched at the asked OKS or more
jitter       matched below that; most OKS is lost on joints that are near their place
inversion    … on joints that lie at the mirrored joint of the same person
swap         … on joints that lie at that joint, or its mirror, of somebody else
miss         … on joints that lie at none of these
duplicate    not matched, though a person is there: another pose has that person
background   not matched, and an OKS below 0.1 with everybody
uncounted    on somebody whom COCO does not count; nobody knows whether it is right

A joint lies at a place from a similarity of 0.5 on, and is near it below 0.85. Ronchi & Perona name
errors of joints; here the kind on which a pose loses most names the pose, and what they call
background is parted into duplicates and true background.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.coco import Persons
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.poses.oks import match
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["KINDS", "WRONG_TYPES", "error_types"]

WRONG_TYPES = ("background", "duplicate", "jitter", "inversion", "swap", "miss")
KINDS = ("right", *WRONG_TYPES, "uncounted")

LOCATED = 0.1  # OKS from which a pose belongs to a person
AT_PLACE, EXACT = 0.5, 0.85  # similarity of a joint with a place

Floats = npt.NDArray[np.float64]


def error_types(
    keypoints: npt.ArrayLike, persons: Persons, skeleton: Skeleton, at_oks: float = TRUE_POSITIVE
) -> npt.NDArray[np.str_]:
    """Return the kind of each pose of an image.

    Args:
        keypoints: (N, K, 2) image pixels, NaN for a joint that was not found.
        persons: the image's people.
        skeleton: of the keypoints.
        at_oks: the matched OKS from which a pose is right, at most 0.85.

    Returns:
        (N,) names out of `KINDS`.
    """
    points = np.nan_to_num(np.asarray(keypoints, dtype=np.float64))
    similarity = persons.oks(points, skeleton.sigmas)
    matched = match(similarity, persons.ignore)
    best = np.where(persons.ignore, 0.0, similarity).max(axis=1, initial=0.0)
    kinds: npt.NDArray[Any] = np.where(best >= LOCATED, "duplicate", "background").astype(object)
    for pose in np.flatnonzero(matched.target >= LOCATED):
        kinds[pose] = _main_error(points[pose], int(matched.person[pose]), persons, skeleton)
    kinds[matched.target >= at_oks] = "right"
    kinds[matched.weight == 0] = "uncounted"
    return kinds.astype(np.str_)


def _main_error(points: Floats, person: int, persons: Persons, skeleton: Skeleton) -> str:
    """Return the kind of joint error on which a matched pose loses most OKS."""
    similarity = _joint_similarity(points, persons, skeleton)
    mirrored = _joint_similarity(points[list(skeleton.flip_order)], persons, skeleton)
    mirrored = mirrored[:, list(skeleton.flip_order)]
    middle = np.array(skeleton.flip_order) == np.arange(len(points))
    mirrored[:, middle] = -1.0  # a nose has no mirror
    own, inverted = similarity[person], mirrored[person]
    others = ~persons.ignore & (np.arange(len(persons)) != person)
    swapped = np.maximum(similarity, mirrored)[others].max(axis=0, initial=-1.0)
    where = np.argmax([own, inverted, swapped], axis=0)
    astray = np.max([own, inverted, swapped], axis=0) < AT_PLACE
    joints = {
        "jitter": (where == 0) & ~astray & (own < EXACT),
        "inversion": (where == 1) & ~astray,
        "swap": (where == 2) & ~astray,
        "miss": astray,
    }
    labeled = persons.visible[person]
    lost = {kind: float((1 - own)[labeled & which].sum()) for kind, which in joints.items()}
    return max(lost, key=lambda kind: lost[kind])


def _joint_similarity(points: Floats, persons: Persons, skeleton: Skeleton) -> Floats:
    """Return (G, K) what each joint of a pose contributes to the OKS; -1 where not labelled."""
    squared = ((points - persons.keypoints) ** 2).sum(axis=2)
    scale = 2 * (2 * np.array(skeleton.sigmas)) ** 2 * (persons.areas[:, None] + np.spacing(1.0))
    return np.where(persons.visible, np.exp(-squared / scale), -1.0)
