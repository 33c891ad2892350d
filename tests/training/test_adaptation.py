"""What is learned without labels, and what cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rcnet_rt.datasets.augment import Augmentation, AugmentedPoses
from rcnet_rt.datasets.ids import ImageId
from rcnet_rt.datasets.results import ImagePoses
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.training.adaptation import MIN_IMAGES, adapt_weights, consistency_targets

IDENTITY = Augmentation(0, (1.0, 1.0), (0.0, 0.0))


def numbered(poses: Poses) -> dict[ImageId, ImagePoses]:
    return {n: ImagePoses(n, poses, np.arange(len(poses))) for n in range(MIN_IMAGES)}


def found(poses: dict[ImageId, ImagePoses], shift: float) -> dict[ImageId, list[AugmentedPoses]]:
    def moved(item: ImagePoses) -> ImagePoses:
        return replace(item, poses=replace(item.poses, keypoints=item.poses.keypoints + shift))

    return {image: [AugmentedPoses(IDENTITY, moved(item))] for image, item in poses.items()}


def test_the_target_is_the_raw_score_of_what_is_found_exactly(random_poses: Poses) -> None:
    poses = numbered(random_poses)
    targets = consistency_targets(poses, found(poses, 0.0), COCO17)
    assert len(targets) == MIN_IMAGES
    np.testing.assert_allclose(targets[0].targets, random_poses.scores, rtol=1e-6)
    np.testing.assert_allclose(targets[0].expected_oks, random_poses.scores**0.5, rtol=1e-6)
    assert targets[0].weights.tolist() == [1.0] * 5


def test_images_without_poses_or_without_augmentations_are_left_out(random_poses: Poses) -> None:
    poses = numbered(random_poses)
    augmentations = found(poses, 0.0)
    del augmentations[0]
    poses[1] = ImagePoses(1, random_poses[:0], np.arange(0))
    assert len(consistency_targets(poses, augmentations, COCO17)) == MIN_IMAGES - 2
    with pytest.raises(DatasetError, match=f"got {MIN_IMAGES - 2};"):
        adapt_weights(poses, augmentations, COCO17, name="few")


def test_nothing_is_learned_where_nothing_is_found_again(random_poses: Poses) -> None:
    poses = numbered(random_poses)
    with pytest.raises(DatasetError, match="no pose is found again"):
        adapt_weights(poses, found(poses, 1e6), COCO17, name="none")
