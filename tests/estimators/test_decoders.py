"""Decoders of networks' outputs, with networks whose answer is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.estimators.movenet import MoveNet, MoveNetMultiPose
from rcnet_rt.estimators.network import fit
from rcnet_rt.estimators.posenet import TREE, PoseNet
from rcnet_rt.estimators.ultralytics import UltralyticsEstimator
from rcnet_rt.estimators.yolo.raw import RawYoloPose
from rcnet_rt.estimators.yolo.units import in_pixels
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.video.source import open_source

IMAGE = np.zeros((240, 320, 3), np.uint8)


@dataclass
class Network:
    """A network that always answers the same, and keeps what it was asked."""

    outputs: list[np.ndarray]
    input_size: tuple[int, int] | None
    name: str = "known"
    streams: int = 1
    asked: list[Image] = field(default_factory=list)

    def run(self, image_rgb: Image, *, mean: float = 0.0, std: float = 1.0) -> list[np.ndarray]:
        self.asked.append(image_rgb)
        return [output.astype(np.float32) for output in self.outputs]


@dataclass
class Detector:
    boxes: np.ndarray
    scores: np.ndarray
    name: str = "detector"
    family: str = "generic"
    skeleton = COCO17

    def estimate(self, image_bgr: Image) -> Poses:
        keypoints = np.zeros((len(self.scores), 17, 2))
        return Poses(keypoints, self.scores, boxes=self.boxes, image_size=(320, 240))


def test_fitting_and_back() -> None:
    image = np.zeros((30, 60, 3), np.uint8)
    image[..., 0] = 200  # blue
    fitted = fit(image, (128, 120), grey=7)
    assert fitted.rgb.shape == (128, 120, 3)
    assert fitted.rgb[59, 0].tolist() == [0, 0, 200]
    assert fitted.rgb[60, 0].tolist() == [7, 7, 7]
    points = np.array([[0, 0], [120, 60]], np.float32)
    np.testing.assert_array_equal(fitted.to_image(points), [[0, 0], [60, 30]])


def test_movenet_crops_and_places() -> None:
    output = np.full((1, 1, 17, 3), [0.25, 0.75, 0.5])
    output[0, 0, 3, 2] = 0
    network = Network([output], (192, 192))
    boxes = np.array([[100, 50, 140, 130], [0, 0, 9, 9], [5, 5, 5, 5]], np.float32)
    detector = Detector(boxes, np.array([0.8, 0.09, 0.5], np.float32))
    image = IMAGE.copy()
    image[90:, 120:, 2] = 255  # red, from the middle of the first box
    poses = MoveNet(network, detector, floor=0.3).estimate(image)
    # A square of 1.25 times the height around (120, 90); the second is no person for sure, and the
    # third scores below the floor.
    assert len(network.asked) == 2
    assert len(poses) == 1
    crop = network.asked[0]
    assert crop[100:, 100:, 0].min() == 255
    assert crop[:92].max() == crop[:, :92].max() == crop[..., 1:].max() == 0
    np.testing.assert_allclose(poses.keypoints[0, 0], [70 + 75, 40 + 25])
    assert np.flatnonzero(~poses.found[0]).tolist() == [3]
    np.testing.assert_allclose(poses.scores, [0.4])
    np.testing.assert_array_equal(poses.boxes, boxes[:1])


@pytest.mark.parametrize("fixed", [True, False])
def test_movenet_multi_pose(fixed: bool) -> None:
    output = np.zeros((1, 6, 56))
    output[0, 0, :51] = np.tile([0.5, 0.25, 0.9], 17)
    output[0, 0, 51:] = [0.25, 0.125, 0.75, 0.375, 0.6]
    network = Network([output], (256, 256) if fixed else None)
    poses = MoveNetMultiPose(network, floor=0.1).estimate(IMAGE)
    height = 256 if fixed else 192
    assert network.asked[0].shape == (height, 256, 3)
    assert len(poses) == 1
    scale = 320 / 256
    np.testing.assert_allclose(poses.keypoints[0, 5], [64 * scale, height / 2 * scale])
    np.testing.assert_allclose(
        poses.boxes[0], [32 * scale, height / 4 * scale, 96 * scale, height * 0.75 * scale]
    )
    assert poses.scores[0] == np.float32(0.6)
    np.testing.assert_array_equal(poses.keypoint_scores, np.full((1, 17), 0.9, np.float32))


def posenet_outputs(people: np.ndarray, size: int, stride: int) -> list[np.ndarray]:
    """Return heat maps, offsets and displacements of (N, 17, 2) people x, y in input pixels."""
    cells = (size - 1) // stride + 1
    heat = np.full((cells, cells, 17), -6.0)
    offsets = np.zeros((cells, cells, 2, 17))
    between = np.zeros((2, cells, cells, 2, len(TREE)))
    grid = np.stack(np.mgrid[:cells, :cells], axis=-1) * stride
    for person in people[:, :, ::-1]:
        for joint, point in enumerate(person):
            near = np.linalg.norm(grid - point, axis=-1) <= 1.5 * stride
            offsets[near, :, joint] = (point - grid)[near]
            row, column = np.round(point / stride).astype(int)
            heat[row, column, joint] = 6.0
        for edge, pair in enumerate(TREE):
            for way, (source, target) in enumerate((pair, pair[::-1])):
                near = np.linalg.norm(grid - person[source], axis=-1) <= 1.5 * stride
                between[way][near, :, edge] = person[target] - person[source]
    flat = [part.reshape(cells, cells, -1) for part in (offsets, *between)]
    return [part[None] for part in (heat, *flat)]


@pytest.mark.parametrize("joined", [True, False])
def test_posenet_finds_each_person_once(joined: bool) -> None:
    rng = np.random.default_rng(0)
    body = rng.uniform(0, 110, (17, 2))
    people = body + np.array([[[10, 20]], [[190, 130]]])
    heat, offsets, *between = posenet_outputs(people, 321, 16)
    if joined:
        between = [np.concatenate(between, axis=-1)]
    network = Network([heat, offsets, *between], (321, 321))
    poses = PoseNet(network, floor=0.1).estimate(np.zeros((642, 642, 3), np.uint8))
    assert len(poses) == 2
    found = poses.keypoints[np.argsort(poses.keypoints[:, 0, 0])]
    np.testing.assert_allclose(found, 2 * people, atol=0.01)
    assert (poses.scores > 0.5).all()
    assert poses.boxes is None


def test_posenet_finds_nobody_in_noise() -> None:
    outputs = [np.zeros((1, 21, 21, channels)) for channels in (17, 34, 64)]
    outputs[0] -= 6
    poses = PoseNet(Network(outputs, (321, 321)), floor=0).estimate(IMAGE)
    assert poses.keypoints.shape == (0, 17, 2)


@pytest.mark.parametrize("shares", ["none", "boxes", "all"])
def test_yolo_pose_in_pixels_or_shares(shares: str) -> None:
    rng = np.random.default_rng(0)
    rows = np.zeros((40, 56), np.float32)
    rows[:, :2] = rng.uniform(0, 320, (40, 2))
    rows[:, 2:4] = 10
    rows[:, 5:] = np.tile([160, 80, 0.7], 17)
    # Two people; the second candidate of the first is suppressed, the fourth is below the floor.
    rows[:4, :5] = [
        [100, 160, 40, 80, 0.9],
        [101, 161, 40, 80, 0.8],
        [200, 160, 40, 80, 0.6],
        [300, 160, 40, 80, 0.04],
    ]
    units = np.ones(56, np.float32)
    if shares != "none":
        units[:4] = 320
    if shares == "all":
        units[5::3] = units[6::3] = 320
    network = Network([(rows / units).T[None]], (320, 320))
    poses = RawYoloPose(in_pixels(network), floor=0.05).estimate(IMAGE)
    np.testing.assert_allclose(poses.scores, [0.9, 0.6])
    # The image fills the width; 40 rows of padding lie above it.
    np.testing.assert_allclose(poses.boxes, [[80, 80, 120, 160], [180, 80, 220, 160]], rtol=1e-5)
    np.testing.assert_allclose(poses.keypoints, np.full((2, 17, 2), [160, 40]), rtol=1e-5)
    np.testing.assert_allclose(poses.keypoint_scores, np.full((2, 17), 0.7), rtol=1e-6)
    np.testing.assert_allclose(poses.consensus[:, 0], np.log([2, 1]), atol=1e-6)


def test_yolo_pose_stays_inside_the_image_and_may_find_nobody() -> None:
    rows = np.zeros((5, 56), np.float32)
    rows[0] = [310, 160, 80, 400, 0.9, *[330, 10, 0.7] * 17]
    network = Network([rows.T[None]], (320, 320))
    poses = RawYoloPose(network, floor=0.05).estimate(IMAGE)
    np.testing.assert_array_equal(poses.boxes, [[270, 0, 320, 240]])
    np.testing.assert_array_equal(poses.keypoints[0, 0], [320, 0])
    nobody = RawYoloPose(network, floor=0.95).estimate(IMAGE)
    assert nobody.keypoints.shape == (0, 17, 2)


@pytest.mark.filterwarnings("ignore")
def test_yolo_pose_is_ultralytics_from_the_same_output(shared_data: Path) -> None:
    pytest.importorskip("openvino")
    model = str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")
    ultralytics = UltralyticsEstimator(model, floor=0.05)
    with open_source(str(shared_data / "videos" / "people.mp4")) as source:
        image = next(frame.image_bgr for frame in source)
    expected = ultralytics.estimate(image)
    raw, _, size = ultralytics.raw._last
    poses = RawYoloPose(Network([raw.numpy()], size), floor=0.05).estimate(image)
    assert len(poses) == len(expected) > 3
    np.testing.assert_allclose(poses.scores, expected.scores, rtol=1e-6)
    np.testing.assert_allclose(poses.boxes, expected.boxes, atol=0.01)
    np.testing.assert_allclose(poses.keypoints, expected.keypoints, atol=0.01)
    np.testing.assert_array_equal(poses.keypoint_scores, expected.keypoint_scores)
    np.testing.assert_allclose(poses.consensus, expected.consensus, rtol=0.01, atol=0.01)
