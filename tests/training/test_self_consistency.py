"""Self-consistency against a loop over poses, augmentations and joints, and where it is defined."""

from dataclasses import replace

import numpy as np
import pytest

from rcnet_rt.datasets.augment import Augmentation, AugmentedPoses
from rcnet_rt.datasets.results import ImagePoses
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.training.self_consistency import self_consistency

SIZE = (640, 480)
SIGMAS = np.array(COCO17.sigmas)
IDENTITY = Augmentation(0, (1.0, 1.0), (0.0, 0.0))
ENLARGED = Augmentation(1, (1.5, 1.5), (-100.0, -80.0))


def found_on(augmentation: Augmentation, poses: Poses) -> AugmentedPoses:
    return AugmentedPoses(augmentation, ImagePoses(1, poses, np.arange(len(poses))))


def naive(poses: Poses, augmentations: list[AugmentedPoses]) -> tuple[list[float], list[int]]:
    means, counts = [], []
    for joints, box in zip(poses.keypoints.astype(float), poses.boxes.astype(float), strict=True):
        values = []
        for augmented in augmentations:
            scale, offset = augmented.augmentation.scale, augmented.augmentation.offset
            inside = [
                k
                for k, (x, y) in enumerate(joints)
                if 0 <= x * scale[0] + offset[0] < SIZE[0]
                and 0 <= y * scale[1] + offset[1] < SIZE[1]
            ]
            if len(inside) < 0.8 * np.isfinite(joints[:, 0]).sum():
                continue
            area = 0.53 * (box[2] - box[0]) * (box[3] - box[1])
            best = 0.0
            for other in augmented.poses.poses.keypoints.astype(float):
                terms = [
                    np.exp(-((joints[k] - other[k]) ** 2).sum() / (2 * area * (2 * SIGMAS[k]) ** 2))
                    for k in inside
                ]
                best = max(best, float(np.mean(terms)))
            values.append(best)
        means.append(float(np.mean(values)) if values else 0.0)
        counts.append(len(values))
    return means, counts


def test_it_is_what_a_loop_gives(random_poses: Poses) -> None:
    rng = np.random.default_rng(0)
    keypoints = random_poses.keypoints.copy()
    keypoints[1, 3] = np.nan
    poses = replace(random_poses, keypoints=keypoints)

    def moved(pixels: float, which: slice) -> Poses:
        noise = rng.normal(0, pixels, random_poses.keypoints.shape)
        return replace(random_poses, keypoints=random_poses.keypoints + noise)[which]

    augmentations = [
        found_on(IDENTITY, moved(3, slice(0, 4))),
        found_on(ENLARGED, moved(8, slice(1, 5))),
        found_on(ENLARGED, moved(8, slice(0, 0))),  # nothing is found
    ]
    measured = self_consistency(poses, augmentations, COCO17.sigmas)
    means, counts = naive(poses, augmentations)
    np.testing.assert_allclose(measured.oks, means, atol=1e-5)
    assert measured.augmentations.tolist() == counts
    assert 1 in counts
    assert 3 in counts
    assert (measured.oks > 0.05).any()


def test_what_is_found_again_exactly_is_1_and_what_is_not_shown_is_unknown(
    random_poses: Poses,
) -> None:
    same = self_consistency(random_poses, [found_on(IDENTITY, random_poses)], COCO17.sigmas)
    np.testing.assert_allclose(same.oks, 1.0)
    away = Augmentation(0, (1.0, 1.0), (5000.0, 0.0))
    unseen = self_consistency(random_poses, [found_on(away, random_poses)], COCO17.sigmas)
    assert unseen.oks.tolist() == [0.0] * 5
    assert unseen.augmentations.tolist() == [0] * 5


def test_an_image_without_poses_and_one_without_boxes(random_poses: Poses) -> None:
    empty = random_poses[:0]
    assert len(self_consistency(empty, [found_on(IDENTITY, random_poses)], COCO17.sigmas).oks) == 0
    low, high = random_poses.keypoints.min(1), random_poses.keypoints.max(1)
    extent = replace(random_poses, boxes=np.concatenate([low, high], axis=1))
    others = found_on(IDENTITY, replace(random_poses, keypoints=random_poses.keypoints + 4))
    with_boxes, without = (
        self_consistency(poses, [others], COCO17.sigmas).oks
        for poses in (extent, replace(random_poses, boxes=None))
    )
    np.testing.assert_allclose(without, with_boxes)


def test_it_needs_the_size_of_the_image_and_augmentations(random_poses: Poses) -> None:
    with pytest.raises(DatasetError, match="size of each image"):
        self_consistency(replace(random_poses, image_size=None), [], COCO17.sigmas)
    original = AugmentedPoses(None, ImagePoses(1, random_poses, np.arange(5)))
    with pytest.raises(DatasetError, match="got an original"):
        self_consistency(random_poses, [original], COCO17.sigmas)
