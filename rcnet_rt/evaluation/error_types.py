"""Error types of poses, after Ronchi & Perona (ICCV 2017).

Poses are matched to people one to one, the highest OKS first, from OKS 0.1 on. The types are

correct      matched at the required OKS or more
jitter       matched below it; most OKS is lost on joints near their true position
inversion    … on joints placed at the left-right counterpart on the same person
swap         … on joints placed at the same joint, or its counterpart, of another person
miss         … on joints placed at none of these
duplicate    unmatched, with an OKS of 0.1 or more: the person is matched to another pose
background   unmatched, with an OKS below 0.1 with every person
ignored      on a person whom COCO ignores, so that its correctness is unknown

A joint is placed at a position from a similarity of 0.5 on; below 0.85 it is jitter. Ronchi &
Perona classify joints; here a pose gets the type on which it loses most OKS, and their background
is divided into duplicates and background.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.coco import Persons
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.poses.oks import match
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["FALSE_TYPES", "TYPES", "error_types"]

FALSE_TYPES = ("background", "duplicate", "jitter", "inversion", "swap", "miss")
TYPES = ("correct", *FALSE_TYPES, "ignored")

LOCATED = 0.1  # OKS from which a pose belongs to a person
AT_POSITION, EXACT = 0.5, 0.85  # similarity of a joint with a position

Floats = npt.NDArray[np.float64]


def error_types(
    keypoints: npt.ArrayLike, persons: Persons, skeleton: Skeleton, at_oks: float = TRUE_POSITIVE
) -> npt.NDArray[np.str_]:
    """Return the error type of each pose of an image.

    Args:
        keypoints: (N, K, 2) image pixels, NaN for a joint that was not found.
        persons: the image's people.
        skeleton: of the keypoints.
        at_oks: the matched OKS from which a pose is correct, at most 0.85.

    Returns:
        (N,) names out of `TYPES`.
    """
    points = np.nan_to_num(np.asarray(keypoints, dtype=np.float64))
    similarity = persons.oks(points, skeleton.sigmas)
    matched = match(similarity, persons.ignore)
    best = np.where(persons.ignore, 0.0, similarity).max(axis=1, initial=0.0)
    types: npt.NDArray[Any] = np.where(best >= LOCATED, "duplicate", "background").astype(object)
    for pose in np.flatnonzero(matched.target >= LOCATED):
        types[pose] = _main_error(points[pose], int(matched.person[pose]), persons, skeleton)
    types[matched.target >= at_oks] = "correct"
    types[matched.weight == 0] = "ignored"
    return types.astype(np.str_)


def _main_error(points: Floats, person: int, persons: Persons, skeleton: Skeleton) -> str:
    """Return the type of joint error on which a matched pose loses most OKS."""
    similarity = _joint_similarity(points, persons, skeleton)
    mirrored = _joint_similarity(points[list(skeleton.flip_order)], persons, skeleton)
    mirrored = mirrored[:, list(skeleton.flip_order)]
    middle = np.array(skeleton.flip_order) == np.arange(len(points))
    mirrored[:, middle] = -1.0  # the nose has no counterpart
    own, inverted = similarity[person], mirrored[person]
    others = ~persons.ignore & (np.arange(len(persons)) != person)
    swapped = np.maximum(similarity, mirrored)[others].max(axis=0, initial=-1.0)
    where = np.argmax([own, inverted, swapped], axis=0)
    astray = np.max([own, inverted, swapped], axis=0) < AT_POSITION
    joints = {
        "jitter": (where == 0) & ~astray & (own < EXACT),
        "inversion": (where == 1) & ~astray,
        "swap": (where == 2) & ~astray,
        "miss": astray,
    }
    labeled = persons.visible[person]
    lost = {name: float((1 - own)[labeled & which].sum()) for name, which in joints.items()}
    return max(lost, key=lambda name: lost[name])


def _joint_similarity(points: Floats, persons: Persons, skeleton: Skeleton) -> Floats:
    """Return the (G, K) similarity of each joint, in [0, 1]; -1 where it is not labelled."""
    squared = ((points - persons.keypoints) ** 2).sum(axis=2)
    scale = 2 * (2 * np.array(skeleton.sigmas)) ** 2 * (persons.areas[:, None] + np.spacing(1.0))
    return np.where(persons.visible, np.exp(-squared / scale), -1.0)
