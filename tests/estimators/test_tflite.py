"""TFLite models: real networks against recorded results; which file is which; what is refused."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from rcnet_rt import estimators
from rcnet_rt.datasets.results import read_results
from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators import tflite
from rcnet_rt.estimators.litert import LiteRtModel
from rcnet_rt.estimators.movenet import MoveNet, MoveNetMultiPose
from rcnet_rt.estimators.posenet import PoseNet
from rcnet_rt.estimators.yolo.raw import RawYoloPose
from rcnet_rt.estimators.yolo.units import in_pixels
from rcnet_rt.poses.boxes import box_areas, box_iou
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.oks import oks
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring.score_convention import ScoreConvention

IMAGES = (785, 872, 885)
SIZE = (640, 480)
CONFIDENT = 0.25
# Estimator of the recorded results, its file, and the smallest median OKS with its confident poses
# that is agreement. Not 1: networks round differently on other processors, and of candidates with
# the same score either may be kept.
NETWORKS = {
    "movenet": ("movenet_lightning_int8", MoveNet, 0.8),
    "posenet": ("posenet_mobilenet_641_uint8", PoseNet, 0.99),
    "yolov8n_320": ("yolov8n-pose_320_int8", RawYoloPose, 0.95),
    "yolo11n_256": ("yolo11n-pose_256_int8", RawYoloPose, 0.9),
    "yolo11n_640": ("yolo11n-pose_640_int8", RawYoloPose, 0.9),
}


@dataclass(frozen=True)
class Detector:
    """A detector that always answers the same."""

    people: Poses
    name: str = "detector"
    family: str = "generic"
    skeleton = COCO17

    def estimate(self, image_bgr: Image) -> Poses:
        return self.people


def real(shared_data: Path, name: str) -> str:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: rcnet-rt[litert]")
    path = shared_data / "zoo" / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    return str(path)


def image_of(shared_data: Path, number: int) -> Image:
    names = [f"{root}/images/val2017/{number:012}.jpg" for root in ("coco", "coco-val")]
    path = next(path for name in names if (path := shared_data / name).is_file())
    image = cv2.imread(str(path))
    assert image is not None
    return image


def recorded(shared_data: Path, name: str) -> dict[int, list[dict[str, object]]]:
    path = shared_data / "predictions" / "val1540" / f"{name}.json.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    entries = read_results(path)
    return {
        number: [entry for entry in entries if entry["image_id"] == number] for number in IMAGES
    }


def similarity(first: Poses, second: Poses) -> np.ndarray:
    """Return the (N, M) OKS of two estimates of the same people."""
    low, high = np.nanmin(second.keypoints, 1), np.nanmax(second.keypoints, 1)
    boxes = np.concatenate([low, high], axis=1).astype(np.float64)
    return oks(
        first.keypoints, second.keypoints, second.found, box_areas(boxes), boxes, COCO17.sigmas
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_poses_are_those_recorded(shared_data: Path, name: str) -> None:
    file, made, min_oks = NETWORKS[name]
    network = LiteRtModel(real(shared_data, file))
    assert tflite.model_class(network) is made
    similarities, differences = [], []
    for number, entries in recorded(shared_data, name).items():
        expected = Poses.from_coco(entries)
        if made is MoveNet:
            box_scores = np.array([entry["box_score"] for entry in entries])
            estimator = MoveNet(network, Detector(expected.with_scores(box_scores)), floor=0)
        else:
            decoded = in_pixels(network) if made is RawYoloPose else network
            estimator = made(decoded, floor=0.01)
        image = image_of(shared_data, number)
        poses = estimator.estimate(image)
        assert poses.image_size == (image.shape[1], image.shape[0])
        assert ScoreConvention.of([poses]) == estimator.score_convention
        expected = expected[expected.scores >= CONFIDENT]
        if made is MoveNet:
            np.testing.assert_array_equal(poses.boxes, Poses.from_coco(entries).boxes)
        elif made is RawYoloPose:
            assert box_iou(expected.boxes, poses.boxes).max(1).min() > 0.8
            assert not np.isnan(poses.consensus[poses.scores >= CONFIDENT]).any()
        agreement = similarity(poses, expected)
        similarities += agreement.max(0).tolist()
        differences += (poses.scores[agreement.argmax(0)] - expected.scores).tolist()
    assert len(similarities) >= 4
    assert np.median(similarities) > min_oks
    assert np.abs(differences).max() < 0.06


def test_a_file_alone_or_with_its_name(shared_data: Path) -> None:
    file = real(shared_data, "posenet_mobilenet_641_uint8")
    yolo = real(shared_data, "yolo11n-pose_256_int8")
    image = image_of(shared_data, 785)
    alone, named = (estimators.load(spec, floor=0.1) for spec in (file, f"posenet:{file}"))
    assert alone.name == named.name == "posenet_mobilenet_641_uint8"
    assert estimators.family(file) == estimators.family(f"posenet:{file}") == alone.family
    assert alone.family == "posenet"
    assert estimators.family(yolo) == "yolo-pose"
    poses = alone.estimate(image)
    np.testing.assert_array_equal(poses.keypoints, named.estimate(image).keypoints)
    assert 0 < len(poses) < len(PoseNet(LiteRtModel(file), floor=0).estimate(image))
    assert (poses.scores >= 0.1).all()


def test_movenet_looks_where_its_detector_does(shared_data: Path) -> None:
    file = real(shared_data, "movenet_lightning_int8")
    yolo = real(shared_data, "yolo11n-pose_256_int8")
    estimator = estimators.load(f"movenet:{file},{yolo}", floor=0.05)
    assert estimator.family == estimators.family(f"movenet:{file},{yolo}") == "movenet"
    image = image_of(shared_data, 785)
    people = estimators.load(yolo, floor=0.1).estimate(image)
    poses = estimator.estimate(image)
    np.testing.assert_array_equal(poses.boxes, people.boxes)
    np.testing.assert_allclose(poses.scores, people.scores * poses.keypoint_scores.mean(1), 1e-6)
    assert len(estimator.estimate(np.zeros((64, 64, 3), np.uint8))) == 0
    flat = MoveNet(LiteRtModel(file), Detector(Poses.empty(17)), floor=0)
    assert flat.estimate(image).keypoints.shape == (0, 17, 2)


def test_a_detector_without_boxes(shared_data: Path) -> None:
    file = real(shared_data, "movenet_lightning_int8")
    posenet = real(shared_data, "posenet_mobilenet_641_uint8")
    estimator = estimators.load(f"movenet:{file},{posenet}", floor=0.05)
    with pytest.raises(EstimatorError, match="gives no boxes; choose another detector"):
        estimator.estimate(image_of(shared_data, 785))


def test_models_that_are_none(shared_data: Path, tmp_path: Path) -> None:
    posenet = real(shared_data, "posenet_mobilenet_641_uint8")
    (tmp_path / "broken.tflite").write_bytes(b"nothing")
    for spec, message in (
        ("nothere.tflite", "no model file at nothere.tflite"),
        ("movenet:nothere.tflite", "no model file at nothere.tflite"),
        (str(tmp_path / "broken.tflite"), "broken.tflite cannot be loaded"),
        (f"movenet:{posenet}", "is a model of the family posenet, not movenet"),
    ):
        for ask in (estimators.family, lambda name: estimators.load(name, floor=0.05)):
            with pytest.raises(EstimatorError, match=message):
                ask(spec)
    with pytest.raises(EstimatorError, match="needs no detector; leave out ,yolo-pose"):
        estimators.load(f"posenet:{posenet},yolo-pose", floor=0.05)


def test_without_litert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "any.tflite").touch()
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(EstimatorError, match=r"pip install 'rcnet-rt\[litert\]'"):
        estimators.load(str(tmp_path / "any.tflite"), floor=0.05)


def network(
    *shapes: tuple[int, ...], input_size: tuple[int, int] = SIZE, output_names: Sequence[str] = ()
) -> Any:
    """What `model_class` looks at of a network."""
    return SimpleNamespace(
        name="some", output_shapes=shapes, input_size=input_size, output_names=output_names
    )


@pytest.mark.parametrize(
    ("shapes", "made"),
    [
        ([(1, 1, 17, 3)], MoveNet),
        ([(1, 6, 56)], MoveNetMultiPose),
        ([(1, 56, 2100)], RawYoloPose),
    ],
)
def test_which_model_it_is(shapes: list[tuple[int, ...]], made: type) -> None:
    assert tflite.model_class(network(*shapes)) is made


@pytest.mark.parametrize(
    ("size", "grid"),
    [((481, 641), (31, 41)), ((257, 257), (9, 9)), ((353, 481), (45, 61)), ((721, 1281), (46, 81))],
)
def test_posenet_at_a_stride_of_8_16_or_32(size: tuple[int, int], grid: tuple[int, int]) -> None:
    for channels in ([17, 34, 64], [17, 34, 32, 32]):
        shapes = [(1, *grid, count) for count in channels]
        assert tflite.model_class(network(*shapes, input_size=size)) is PoseNet


@pytest.mark.parametrize(
    ("size", "grids"),
    [
        ((480, 640), [(30, 40)] * 3),  # multiples of the stride, without the 1
        ((480, 640), [(31, 41)] * 3),
        ((481, 641), [(121, 161)] * 3),  # a stride of 4
        ((481, 641), [(31, 21)] * 3),  # two strides
        ((481, 641), [(31, 41), (61, 81), (31, 41)]),
    ],
)
def test_posenet_at_another_stride_is_told(
    size: tuple[int, int], grids: list[tuple[int, int]]
) -> None:
    shapes = [(1, *grid, count) for grid, count in zip(grids, [17, 34, 64], strict=True)]
    with pytest.raises(EstimatorError, match="expected cells at a stride of 8, 16 or 32 pixels"):
        tflite.model_class(network(*shapes, input_size=size))


def test_posenet_with_a_resnet_is_told() -> None:
    shapes = [(1, 31, 41, count) for count in (17, 34, 64)]
    names = [f"resnet_v1_50/{name}" for name in ("heatmap", "offsets", "displacements")]
    with pytest.raises(EstimatorError, match="some is PoseNet with a ResNet"):
        tflite.model_class(network(*shapes, input_size=(481, 641), output_names=names))


def test_its_names_are_those_that_load_knows() -> None:
    assert tuple(tflite.NAMES) == estimators.TFLITE


def test_other_outputs_are_told() -> None:
    with pytest.raises(
        EstimatorError, match=r"some has outputs of shape \(1, 84, 2100\); expected"
    ):
        tflite.model_class(network((1, 84, 2100)))
