"""The flip test: poses that are found again on the mirror image agree, and nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.flip_test import FlipTest
from rcnet_rt.estimators.recheck import agreement_with
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.mirror import mirror
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17

WIDTH = 640
IMAGE = np.zeros((480, WIDTH, 3), np.uint8)
IMAGE[:, 0] = 255  # tells left from right


class Symmetric:
    """Finds these poses in the image, and those, mirrored, in the mirror image."""

    name, family, skeleton = "symmetric", "yolo-pose", COCO17

    def __init__(self, poses: Poses, again: Poses) -> None:
        self.poses, self.mirrored = poses, mirror(again, COCO17, WIDTH)

    def estimate(self, image_bgr: Image) -> Poses:
        assert image_bgr.flags.c_contiguous
        return self.poses if image_bgr[0, 0, 0] else self.mirrored


class Batches(Symmetric):
    def estimate_batch(self, images_bgr: Sequence[Image]) -> list[Poses]:
        return [self.estimate(image) for image in images_bgr]


def test_agreement_is_that_of_a_naive_loop_and_nothing_else_changes(random_poses: Poses) -> None:
    random = np.random.default_rng(0)
    moved = random_poses.keypoints + random.normal(0, 5, random_poses.keypoints.shape)
    again = replace(random_poses, keypoints=moved.astype(np.float32))[[3, 0, 2]]
    got = FlipTest(Symmetric(random_poses, again)).estimate(IMAGE)
    assert got.agreement is not None
    corner = np.zeros(2, np.float32)
    naive = [
        max(agreement_with(random_poses[index], again[[one]], corner, COCO17) for one in range(3))
        for index in range(len(random_poses))
    ]
    np.testing.assert_allclose(got.agreement, naive, rtol=1e-4)
    assert (got.agreement[[0, 2, 3]] > 0.3).all()
    for name in ("keypoints", "scores", "keypoint_scores", "boxes"):
        np.testing.assert_array_equal(getattr(got, name), getattr(random_poses, name))


def test_a_batch_is_what_single_images_give(random_poses: Poses) -> None:
    test = FlipTest(Batches(random_poses, random_poses))
    alone = test.estimate(IMAGE)
    for poses in test.estimate_batch([IMAGE, IMAGE]):
        np.testing.assert_array_equal(poses.agreement, alone.agreement)
    with pytest.raises(EstimatorError, match="one image at a time"):
        FlipTest(Symmetric(random_poses, random_poses)).estimate_batch([IMAGE])


def test_nobody_found_again_is_no_agreement(random_poses: Poses) -> None:
    got = FlipTest(Symmetric(random_poses, Poses.empty(17))).estimate(IMAGE)
    assert got.agreement is not None
    assert not got.agreement.any()
    nobody = FlipTest(Symmetric(Poses.empty(17), random_poses)).estimate(IMAGE)
    assert nobody.agreement is not None
    assert nobody.agreement.shape == (0,)


def test_without_boxes_it_says_what_to_do(random_poses: Poses) -> None:
    poses = replace(random_poses, boxes=None)
    with pytest.raises(EstimatorError, match="leave --flip-test out"):
        FlipTest(Symmetric(poses, random_poses)).estimate(IMAGE)
