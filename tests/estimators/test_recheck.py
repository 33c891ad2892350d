from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import estimators
from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.recheck import MARGIN, Recheck, agreement_with, crop_around, least_certain
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.refiner import Refiner
from rcnet_rt.video.images import read_image

IMAGE = np.zeros((480, 640, 3), np.uint8)


class Twice:
    """Finds the given poses in an image, and in a close-up always the same one, if any."""

    name, family, skeleton = "twice", "yolo-pose", COCO17

    def __init__(self, poses: Poses, again: Poses | None = None) -> None:
        self.poses, self.again = poses, Poses.empty(17) if again is None else again
        self.views: list[Image] = []

    def estimate(self, image_bgr: Image) -> Poses:
        if image_bgr is IMAGE:
            return self.poses
        self.views.append(image_bgr)
        return self.again


class Batches(Twice):
    def estimate_batch(self, images_bgr: Sequence[Image]) -> list[Poses]:
        self.views.extend(images_bgr)
        return [self.again] * len(images_bgr)


def unchanged(poses: Poses) -> Poses:
    return poses.with_scores(poses.scores)


def test_only_the_doubtful_are_looked_at_and_nothing_else_changes(random_poses: Poses) -> None:
    scores = np.array([0.95, 0.5, 0.6, 0.0005, 0.02], np.float32)
    poses = replace(random_poses, scores=scores)
    estimator = Twice(poses)
    looked = Recheck(estimator, unchanged, 2)
    got = looked.estimate(IMAGE)
    assert got.agreement is not None
    assert np.isnan(got.agreement).tolist() == [True, False, False, True, True]
    assert got.agreement[1] == 0  # nobody was found again
    assert looked.looks == len(estimator.views) == 2
    for name in ("keypoints", "scores", "keypoint_scores", "boxes"):
        np.testing.assert_array_equal(getattr(got, name), getattr(poses, name))
    assert got.raw_scores is None
    assert looked.seconds > 0
    assert looked.moved == 0  # this refiner looks at no signal


def test_what_it_changes_is_counted(random_poses: Poses) -> None:
    poses = replace(random_poses, scores=np.array([0.9, 0.5, 0.6, 0.4, 0.3], np.float32))

    def by_agreement(poses: Poses) -> Poses:
        known = None if poses.agreement is None else np.nan_to_num(poses.agreement, nan=1)
        return poses.with_scores(poses.scores * (1 if known is None else known))

    looked = Recheck(Twice(poses), by_agreement, 2)
    for _ in range(3):
        looked.estimate(IMAGE)
    assert (looked.looks, looked.moved) == (6, 6)


def test_who_is_found_again_agrees_with_himself(random_poses: Poses) -> None:
    pose = random_poses[2]
    assert pose.boxes is not None
    _, corner = crop_around(IMAGE, pose.boxes[0])
    again = replace(
        random_poses[[1, 2]], keypoints=random_poses.keypoints[[1, 2]] - corner, scores=[1, 1]
    )
    assert agreement_with(pose, again, corner, COCO17) == pytest.approx(1, abs=1e-4)
    shifted = replace(again, keypoints=again.keypoints + 10)
    assert 0.3 < agreement_with(pose, shifted, corner, COCO17) < 0.95
    assert agreement_with(pose, again[:0], corner, COCO17) == 0
    unsure = replace(again, scores=[1, 0.25])
    assert agreement_with(pose, unsure, corner, COCO17) == pytest.approx(0.5, abs=1e-4)


def test_the_threshold_of_the_estimator_matters_little(shared_data: Path) -> None:
    """With a low one it finds everything again, but with scores near 0."""
    model = str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")
    image = read_image(shared_data / "coco" / "images" / "val2017" / "000000000885.jpg")
    agreements = []
    for floor in (0.001, 0.05):
        estimator = estimators.load(model, floor=floor)
        twice = Recheck(estimator, Refiner("yolo-pose"), 20).estimate(image)
        assert twice.agreement is not None
        agreements.append(twice.agreement[twice.scores >= 0.05])
    np.testing.assert_allclose(*agreements, atol=0.2)
    assert np.nanmax(agreements[0]) > 0.5


@pytest.mark.parametrize("kind", [Twice, Batches])
def test_one_by_one_and_all_at_once(random_poses: Poses, kind: type[Twice]) -> None:
    looked = Recheck(kind(random_poses, random_poses[:1]), unchanged, 20)
    agreement = looked.estimate(IMAGE).agreement
    assert agreement is not None
    assert np.isfinite(agreement).all()
    assert looked.looks == 5


def test_nobody_there(random_poses: Poses) -> None:
    looked = Recheck(Twice(random_poses[:0]), unchanged, 3)
    assert len(looked.estimate(IMAGE)) == 0


def test_an_estimator_without_boxes_is_told(random_poses: Poses) -> None:
    looked = Recheck(Twice(replace(random_poses, boxes=None)), unchanged, 3)
    with pytest.raises(EstimatorError, match="no boxes"):
        looked.estimate(IMAGE)


def test_the_scores_most_in_doubt_come_first() -> None:
    scores = np.array([0.1, 0.49, 0.9, 0.7, 0.0001])
    assert least_certain(scores, 10).tolist() == [1, 3, 0, 2]
    assert least_certain(scores, 1).tolist() == [1]
    assert least_certain(scores[:0], 1).tolist() == []


@pytest.mark.parametrize("box", [(100, 50, 140, 150), (-30, -20, 10, 60), (600, 400, 700, 500)])
def test_a_close_up_shows_the_image_in_its_place(box: tuple[float, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    view, (left, top) = crop_around(image, np.array(box, np.float32))
    side = round(MARGIN * max(box[2] - box[0], box[3] - box[1]))
    assert view.shape == (side, side, 3)
    for row, column in np.ndindex(side, side):
        y, x = int(top) + row, int(left) + column
        inside = 0 <= y < 480 and 0 <= x < 640
        assert (view[row, column] == (image[y, x] if inside else 114)).all()


def test_a_box_that_is_not_in_the_image_shows_grey() -> None:
    view, _ = crop_around(IMAGE, np.array([2000, 2000, 2010, 2030], np.float32))
    assert (view == 114).all()
    assert crop_around(IMAGE, np.array([5, 5, 5, 5], np.float32))[0].shape == (16, 16, 3)


def test_the_real_model_agrees_with_itself_about_real_people(shared_data: Path) -> None:
    model = shared_data / "models" / "yolov8n-pose_int8_openvino_model"
    image = read_image(shared_data / "coco" / "images" / "val2017" / "000000000885.jpg")
    estimator = estimators.load(str(model), floor=0.05)
    once = estimator.estimate(image)
    twice = Recheck(estimator, Refiner("yolo-pose"), 20).estimate(image)
    np.testing.assert_array_equal(twice.keypoints, once.keypoints)
    np.testing.assert_array_equal(twice.scores, once.scores)
    assert twice.agreement is not None
    assert twice.agreement[twice.scores.argmax()] > 0.85
