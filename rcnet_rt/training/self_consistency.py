"""Self-consistency: whether an estimator finds a pose again on augmentations of its image.

True poses are found again at the same place, hallucinations usually are not. That needs no labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.augment import Augmentation, AugmentedPoses
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.boxes import box_areas
from rcnet_rt.poses.oks import oks
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.batch import extent
from rcnet_rt.rescoring.constants import AREA_OF_BOX

__all__ = ["MIN_INSIDE", "SelfConsistency", "self_consistency"]

Floats = npt.NDArray[np.float64]

MIN_INSIDE = 0.8  # share of a pose's joints that an augmentation must show


@dataclass(frozen=True, eq=False)
class SelfConsistency:
    """How well each of N poses is found again.

    Attributes:
        oks: (N,) mean over the augmentations that show the pose of the highest OKS with a pose
            found there, in [0, 1]; 0 where none shows it.
        augmentations: (N,) number of augmentations that show the pose.
    """

    oks: Floats
    augmentations: npt.NDArray[np.int64]


def self_consistency(
    poses: Poses, augmentations: Sequence[AugmentedPoses], sigmas: npt.ArrayLike
) -> SelfConsistency:
    """Compare the N poses of an image with those found on augmentations of it.

    An augmentation shows a pose if at least 80 % of its joints are inside the canvas. The OKS is
    over these joints, with the pose in the place of the labeled person; only one of several equal
    poses is needed, so that duplicates are as consistent as what they duplicate.

    Args:
        poses: of the image, with `image_size`.
        augmentations: the poses found on each, in coordinates of the image.
        sigmas: (K,) as in `Skeleton.sigmas`.

    Raises:
        DatasetError: the size of the image is not known.
    """
    if poses.image_size is None:
        raise DatasetError(
            "self-consistency needs the size of each image, which says what an augmentation shows; "
            "give the annotations or the images"
        )
    total, count = np.zeros(len(poses)), np.zeros(len(poses), dtype=np.int64)
    for augmented in augmentations:
        if augmented.augmentation is None:
            raise DatasetError("self-consistency compares with augmentations, got an original")
        inside = _inside(poses, augmented.augmentation)
        shown = inside.sum(axis=1) >= MIN_INSIDE * np.maximum(poses.found.sum(axis=1), 1)
        found = augmented.poses.poses.keypoints
        total[shown] += _best_oks(poses[shown], inside[shown], found, sigmas)
        count += shown
    return SelfConsistency(total / np.maximum(count, 1), count)


def _inside(poses: Poses, augmentation: Augmentation) -> npt.NDArray[np.bool_]:
    """Return (N, K) which joints are on the augmentation's canvas; False for one not found."""
    assert poses.image_size is not None
    x, y = np.moveaxis(augmentation.seen(poses).keypoints, 2, 0)
    width, height = poses.image_size
    inside: npt.NDArray[np.bool_] = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return inside


def _best_oks(
    poses: Poses, inside: npt.NDArray[np.bool_], found: npt.ArrayLike, sigmas: npt.ArrayLike
) -> Floats:
    """Return the (N,) highest OKS of each pose with any of the poses found; 0 without any."""
    boxes = extent(poses.keypoints, poses.found) if poses.boxes is None else poses.boxes
    areas = AREA_OF_BOX * np.maximum(box_areas(boxes), 1.0)
    similarity = oks(found, np.nan_to_num(poses.keypoints), inside, areas, boxes, sigmas)
    best: Floats = similarity.max(axis=0, initial=0.0)
    return best
