"""Statistics of frames, on images and poses whose figures are known."""

import numpy as np
import pytest

from rcnet_rt.monitoring.frame_statistics import NAMES, FrameStatistics, block_means
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (240, 320, 3), np.uint8)


def person(lean=0.0, score=0.8, size=100.0):
    """An upright pose around (160, 120) that leans to the right by so many degrees."""
    points = np.zeros((1, 17, 2))
    points[0, 5:7] = [[-10, -25], [10, -25]]  # shoulders
    points[0, 11:13] = [[-10, 25], [10, 25]]  # hips
    points[0, 13:] = [[-10, 50], [10, 50], [-10, 50], [10, 50]]
    points[0, :5] = [0, -50]
    angle = np.radians(lean)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return Poses(
        (points * size / 100) @ turn.T + [160, 120],
        [score],
        keypoint_scores=np.full((1, 17), 0.6),
        image_size=(320, 240),
    )


def values(image, poses, skeleton=COCO17):
    return dict(zip(NAMES, FrameStatistics(skeleton)(image, poses).tolist(), strict=True))


def test_poses_count_as_much_as_their_refined_score():
    one, two = person(0, 0.8), person(40, 0.2)
    both = Poses(
        np.concatenate([one.keypoints, two.keypoints]),
        [0.8, 0.2],
        keypoint_scores=np.repeat([[0.6], [0.1]], 17, axis=1),
        raw_scores=[0.5, 0.9],
        image_size=(320, 240),
    )
    found = values(None, both)
    assert found["poses"] == pytest.approx(1.0)
    assert found["refined_score"] == pytest.approx(0.8 * 0.8 + 0.2 * 0.2)
    assert found["raw_score"] == pytest.approx(0.8 * 0.5 + 0.2 * 0.9)
    assert found["joint_confidence"] == pytest.approx(0.8 * 0.6 + 0.2 * 0.1)
    assert found["joints_found"] == pytest.approx(0.8)
    assert 0 < found["pose_tilt"] < 10


@pytest.mark.parametrize("lean", [-30, 0, 20, 170])
def test_the_tilt_is_the_angle_of_the_torso(lean):
    assert values(None, person(lean))["pose_tilt"] == pytest.approx(lean, abs=1e-3)


def test_size_and_position_are_shares_of_the_image_height():
    found = values(None, person())
    assert found["pose_size"] == pytest.approx(np.sqrt(20 * 100) / 240)
    center = person().keypoints[0, :, 1].mean() / 240
    assert found["pose_position"] == pytest.approx(center)
    larger = values(np.zeros((480, 640, 3), np.uint8), person())
    assert larger["pose_size"] == pytest.approx(found["pose_size"] / 2)


def test_what_does_not_exist_is_nan():
    nobody = values(None, Poses.empty(17))
    assert nobody.pop("poses") == 0
    assert np.isnan(list(nobody.values())).all()
    black = values(np.zeros((2, 2, 3), np.uint8), Poses.empty(17))
    assert black["brightness"] == black["contrast"] == black["color"] == 0
    assert np.isnan([black["sharpness"], black["image_tilt"], black["motion"]]).all()
    lost = Poses(np.full((1, 17, 2), np.nan), [0.5], image_size=(320, 240))
    found = values(None, lost)
    assert np.isnan([found["pose_tilt"], found["pose_position"], found["pose_size"]]).all()
    assert found["joints_found"] == 0


def test_figures_of_the_image():
    gray = np.full((240, 320, 3), 100, np.uint8)
    gray[:, ::2] = 140
    found = values(gray, Poses.empty(17))
    assert found["brightness"] == pytest.approx(120, abs=1)
    assert found["sharpness"] == pytest.approx(80 / 20)
    assert found["color"] == 0
    assert values(gray + np.uint8([0, 0, 9]), Poses.empty(17))["color"] == pytest.approx(4.5)


@pytest.mark.parametrize("degrees", [0, 7, -15])
def test_the_direction_of_edges_turns_with_the_image(degrees):
    import cv2

    squares = np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8)
    scene = cv2.resize(squares, (800, 600), interpolation=cv2.INTER_NEAREST)
    turn = cv2.getRotationMatrix2D((400, 300), -degrees, 1.8)
    turned = cv2.warpAffine(scene, turn, (800, 600))
    found = values(np.repeat(turned[..., None], 3, axis=2), Poses.empty(17))
    assert found["image_tilt"] == pytest.approx(degrees, abs=2)


def test_darker_blurred_and_colorless_images_are_told_apart():
    import cv2

    scene = cv2.resize(RNG.integers(0, 256, (24, 32, 3), np.uint8), (1280, 960))
    scene = cv2.add(scene, RNG.integers(0, 9, scene.shape, np.uint8))
    before = values(scene, Poses.empty(17))
    darker = values(scene // 3, Poses.empty(17))
    assert darker["brightness"] == pytest.approx(before["brightness"] / 3, rel=0.02)
    assert darker["sharpness"] == pytest.approx(before["sharpness"], rel=0.2)
    blurred = values(cv2.GaussianBlur(scene, (0, 0), 3), Poses.empty(17))
    assert blurred["sharpness"] < before["sharpness"] / 3
    assert blurred["brightness"] == pytest.approx(before["brightness"], rel=0.02)
    gray = np.repeat(scene[..., 1:2], 3, axis=2)
    assert values(gray, Poses.empty(17))["color"] == 0


def test_motion_is_the_difference_to_the_frame_before():
    measure, motion = FrameStatistics(COCO17), NAMES.index("motion")
    images = (IMAGE, IMAGE, IMAGE // 2, IMAGE[:100])
    first, second, third, other_size = (measure(i, Poses.empty(17))[motion] for i in images)
    assert np.isnan([first, other_size]).all()
    assert second == 0
    assert third == pytest.approx(64, rel=0.1)
    measure.forget()
    assert np.isnan(measure(IMAGE[:100], Poses.empty(17))[motion])


def test_means_of_blocks_leave_out_what_does_not_exist():
    blocks = block_means([[1, np.nan], [2, np.nan], [4, 6], [np.nan, 8], [9, 9]], 2)
    assert np.array_equal(blocks, [[1.5, np.nan], [4, 7]], equal_nan=True)
    assert block_means(np.zeros((3, 5)), 4).shape == (0, 5)
