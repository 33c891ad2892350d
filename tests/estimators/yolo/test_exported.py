"""Exported YOLO-Pose on onnxruntime and OpenVINO, without ultralytics and against it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rcnet_rt import estimators
from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.openvino import OpenVinoNetwork
from rcnet_rt.estimators.yolo.exported import load_exported
from rcnet_rt.poses.poses import Poses
from rcnet_rt.video.images import read_image
from rcnet_rt.video.source import open_source
from tests.helpers.onnx_models import pose_model

IMAGE = np.zeros((30, 60, 3), np.uint8)
PEOPLE = [  # x, y, width, height, score; the second is suppressed, the fourth below the floor
    [20, 32, 16, 20, 0.9],
    [20, 33, 16, 20, 0.8],
    [44, 32, 16, 20, 0.6],
    [50, 32, 6, 6, 0.04],
]
MODEL = Path("models") / "yolov8n-pose_int8_openvino_model"


def candidates(joint: list[float], joints: int = 17) -> np.ndarray:
    """Return a (1, C, 4) output of `PEOPLE`, all of whose joints are the same."""
    return np.array([[*person, *joint * joints] for person in PEOPLE]).T[None]


def test_candidates_of_an_onnx_file(tmp_path: Path) -> None:
    path = pose_model(tmp_path / "m.onnx", candidates([32, 40, 0.7]))
    estimator = estimators.load(str(path), floor=0.05)
    assert (estimator.name, estimator.family) == ("m.onnx", "yolo-pose")
    poses = estimator.estimate(IMAGE)
    # 64 / 60 pixels of the input are one of the image, above which are 16 rows of padding.
    scale = 60 / 64
    np.testing.assert_allclose(poses.scores, [0.9, 0.6])
    np.testing.assert_allclose(poses.boxes[0], np.array([12, 6, 28, 26]) * scale, rtol=1e-6)
    np.testing.assert_allclose(poses.keypoints[1, 3], np.array([32, 24]) * scale, rtol=1e-6)
    np.testing.assert_allclose(poses.keypoint_scores, np.full((2, 17), 0.7), rtol=1e-6)
    np.testing.assert_allclose(poses.consensus[:, 0], np.log([2, 1]), atol=1e-6)
    assert poses.image_size == (60, 30)


def test_boxes_of_another_class_are_not_suppressed(tmp_path: Path) -> None:
    output = np.insert(candidates([32, 40, 0.7]), 5, [0.1, 0.85, 0.1, 0.1], axis=1)
    path = pose_model(tmp_path / "m.onnx", output, names="{0: 'man', 1: 'woman'}")
    poses = load_exported(str(path), floor=0.2).estimate(IMAGE)
    np.testing.assert_allclose(poses.scores, [0.9, 0.85, 0.6])


def test_an_end_to_end_model_suppresses_by_itself(tmp_path: Path) -> None:
    rows = np.zeros((1, 300, 57))
    rows[0, :3, :6] = [[8, 20, 40, 52, 0.6, 0], [9, 20, 40, 52, 0.9, 0], [0, 0, 9, 9, 0.04, 0]]
    rows[0, :, 6:] = [32, 40, 0.7] * 17
    path = pose_model(tmp_path / "m.onnx", rows, end2end="True")
    poses = load_exported(str(path), floor=0.05).estimate(IMAGE)
    np.testing.assert_allclose(poses.scores, [0.6, 0.9])
    np.testing.assert_allclose(poses.boxes[0], [7.5, 3.75, 37.5, 30], rtol=1e-6)
    np.testing.assert_allclose(poses.keypoints[0, 0], np.array([32, 24]) * 60 / 64, rtol=1e-6)
    assert poses.consensus is None


def test_a_model_of_any_size_is_given_no_more_padding_than_its_stride_asks_for(
    tmp_path: Path,
) -> None:
    shape = ("batch", 3, "height", "width")
    path = pose_model(tmp_path / "m.onnx", candidates([32, 20, 0.7]), shape=shape)
    estimator = load_exported(str(path), floor=0.05, size=(60, 50))
    # Rounded up to 64 x 64; the image fills 32 of its rows.
    poses = estimator.estimate(IMAGE)
    np.testing.assert_allclose(poses.keypoints[0, 0], np.array([32, 20]) * 60 / 64, rtol=1e-6)


def test_joints_without_confidence_and_of_another_skeleton(tmp_path: Path) -> None:
    output = candidates([32, 40], joints=14)
    path = pose_model(tmp_path / "m.onnx", output, kpt_shape="[14, 2]")
    estimator = load_exported(str(path), floor=0.05)
    assert estimator.skeleton.name == "crowdpose14"
    poses = estimator.estimate(IMAGE)
    assert poses.keypoints.shape == (2, 14, 2)
    assert poses.keypoint_scores is None


def test_a_joint_at_zero_without_confidence_was_not_found(tmp_path: Path) -> None:
    path = pose_model(tmp_path / "m.onnx", candidates([-5, 0, 0]))
    poses = load_exported(str(path), floor=0.05).estimate(IMAGE)
    assert not poses.found.any()
    assert np.isfinite(poses.consensus).all()


def test_a_fixed_batch_is_filled_up(tmp_path: Path) -> None:
    one = candidates([32, 40, 0.7])
    alone = pose_model(tmp_path / "1.onnx", one)
    two = pose_model(tmp_path / "2.onnx", np.concatenate([one, 0 * one]), shape=(2, 3, 64, 64))
    expected, poses = (load_exported(str(p), floor=0.05).estimate(IMAGE) for p in (alone, two))
    np.testing.assert_array_equal(poses.keypoints, expected.keypoints)


@pytest.mark.parametrize(
    ("metadata", "options", "message"),
    [
        ({"task": "detect"}, {}, "m.onnx is a model for the task 'detect'"),
        ({"kpt_shape": "[5, 3]"}, {}, "m.onnx gives 5 keypoints, for which no skeleton is known"),
        ({"names": "{0: 'a', 1: 'b'}"}, {}, r"shape \(1, 56, 4\), expected \(1, 57, N\) for 2"),
        ({"end2end": "True"}, {}, r"\(1, 56, 4\), expected \(1, N, 57\) for 1 classes"),
        ({}, {"size": (64, 96)}, "exported for images of 64 x 64, and 64 x 96 is asked for"),
        ({}, {"half": True}, "not exported with half precision"),
        ({}, {"device": "cuda:77"}, "device asked for is not here: cuda:77"),
    ],
)
def test_models_that_do_not_suit(
    tmp_path: Path, metadata: dict[str, str], options: dict[str, Any], message: str
) -> None:
    path = pose_model(tmp_path / "m.onnx", candidates([32, 40, 0.7]), **metadata)
    with pytest.raises(EstimatorError, match=message):
        load_exported(str(path), floor=0.05, **options)


def test_a_size_as_one_number(tmp_path: Path) -> None:
    path = pose_model(tmp_path / "m.onnx", candidates([32, 40, 0.7]))
    assert len(estimators.load(str(path), floor=0.05, imgsz=64).estimate(IMAGE)) == 2
    with pytest.raises(EstimatorError, match="images of 64 x 64, and 96 x 96 is asked for"):
        estimators.load(str(path), floor=0.05, imgsz=96)


@pytest.mark.parametrize("model", ["rtmo", "replay:poses.jsonl", "m.tflite", "module:name"])
def test_size_and_precision_are_those_of_yolo(model: str) -> None:
    for options in ({"imgsz": 320}, {"half": True}):
        with pytest.raises(EstimatorError, match=f"imgsz and half are for YOLO-Pose, and {model}"):
            estimators.load(model, floor=0.05, **options)


@pytest.mark.parametrize("name", ["m.onnx", "m.xml"])
def test_files_that_are_no_models(tmp_path: Path, name: str) -> None:
    if name == "m.xml":
        pytest.importorskip("openvino")
    (tmp_path / name).write_text("no model")
    with pytest.raises(EstimatorError, match=f"{name} cannot be loaded") as caught:
        estimators.load(str(tmp_path / name), floor=0.05)
    assert "\n" not in str(caught.value)


def test_a_network_that_takes_no_image(tmp_path: Path) -> None:
    path = pose_model(tmp_path / "m.onnx", candidates([32, 40, 0.7]), shape=(1, 64))
    with pytest.raises(EstimatorError, match="expected one image"):
        load_exported(str(path), floor=0.05)


@pytest.mark.parametrize(("package", "name"), [("onnxruntime", "m.onnx"), ("openvino", "m.xml")])
def test_a_runtime_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str
) -> None:
    (tmp_path / name).touch()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EstimatorError, match=f"need the package {package}, which is not installed"):
        estimators.load(str(tmp_path / name), floor=0.05)


UNLOADED = """
import sys
import numpy as np
from rcnet_rt import Refiner, estimators
estimator = estimators.load(sys.argv[1], floor=0.05)
poses = estimator.estimate(np.zeros((64, 64, 3), np.uint8))
Refiner("yolo-pose", backend="onnx")(poses)
print(sorted({"torch", "torchvision", "ultralytics", "matplotlib"} & set(sys.modules)))
"""


def loaded_libraries(model: Path) -> str:
    command = [sys.executable, "-c", UNLOADED, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_an_onnx_file_loads_neither_torch_nor_ultralytics(tmp_path: Path) -> None:
    path = pose_model(tmp_path / "m.onnx", candidates([32, 40, 0.7]))
    assert loaded_libraries(path) == "[]"


def test_an_openvino_folder_loads_neither_torch_nor_ultralytics(shared_data: Path) -> None:
    pytest.importorskip("openvino")
    assert loaded_libraries(shared_data / MODEL) == "[]"


def frames(video: Path) -> Iterator[np.ndarray]:
    with open_source(str(video)) as source:
        yield from (frame.image_bgr for frame in source)


def test_threads_do_not_change_poses(shared_data: Path) -> None:
    pytest.importorskip("openvino")
    images = list(frames(shared_data / "videos" / "people.mp4"))
    model = str(shared_data / MODEL)
    two = load_exported(model, floor=0.05, threads=2)
    expected = [two.estimate(image) for image in images]
    one = load_exported(str(next((shared_data / MODEL).glob("*.xml"))), floor=0.05, threads=1)
    with ThreadPoolExecutor(3) as pool:
        for poses, alone in zip(pool.map(one.estimate, images), expected, strict=True):
            np.testing.assert_allclose(poses.keypoints, alone.keypoints, atol=0.01)
            np.testing.assert_allclose(poses.scores, alone.scores, atol=1e-5)


def test_quantised_models_of_any_size_are_given_one_on_cpus_that_would_crash(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino = pytest.importorskip("openvino")
    model = openvino.Core().read_model(next((shared_data / MODEL).glob("*.xml")))
    model.reshape([1, 3, -1, -1])
    openvino.save_model(model, tmp_path / "m.xml")
    (tmp_path / "metadata.yaml").write_bytes((shared_data / MODEL / "metadata.yaml").read_bytes())
    assert OpenVinoNetwork(tmp_path).input_size is None
    (tmp_path / "cpuinfo").write_text("flags: avx512f amx_int8")
    monkeypatch.setattr("rcnet_rt.estimators.openvino.CPU_FEATURES", tmp_path / "cpuinfo")
    assert OpenVinoNetwork(tmp_path).input_size == (640, 640)
    image = next(frames(shared_data / "videos" / "people.mp4"))
    poses, expected = (
        load_exported(str(path), floor=0.05).estimate(image)
        for path in (tmp_path, shared_data / MODEL)
    )
    np.testing.assert_allclose(poses.keypoints, expected.keypoints, atol=0.01)


def assert_those_of_ultralytics(model: str, images: Iterable[np.ndarray]) -> int:
    """Hold an exported model against ultralytics; return how many poses were compared."""
    from ultralytics import YOLO

    own, alone = load_exported(model, floor=0.05), YOLO(model, task="pose")
    compared = 0
    for image in images:
        poses = own.estimate(image)
        expected = Poses.from_ultralytics(alone.predict(image, conf=0.05, verbose=False)[0])
        assert len(poses) == len(expected)
        np.testing.assert_allclose(poses.scores, expected.scores, atol=1e-5)
        np.testing.assert_allclose(poses.keypoint_scores, expected.keypoint_scores, atol=1e-5)
        np.testing.assert_allclose(poses.boxes, expected.boxes, atol=0.01)
        np.testing.assert_allclose(poses.keypoints, expected.keypoints, atol=0.01)
        compared += len(poses)
    return compared


def images_of(folders: Iterable[Path]) -> list[Path]:
    return sorted(path for folder in folders for path in (folder / "val2017").glob("*.jpg"))


@pytest.mark.filterwarnings("ignore")  # ultralytics' own
def test_poses_are_those_of_ultralytics(shared_data: Path) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("ultralytics")
    paths = images_of([shared_data / "coco" / "images"])[::30]
    compared = assert_those_of_ultralytics(str(shared_data / MODEL), map(read_image, paths))
    assert compared > 5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", ["images", "people.mp4", "sports.mp4"])
def test_all_poses_are_those_of_ultralytics(shared_data: Path, what: str) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("ultralytics")
    if what == "images":
        folders = [shared_data / "coco" / "images", shared_data / "coco-val" / "images"]
        images: Iterable[np.ndarray] = map(read_image, images_of(folders))
    else:
        images = frames(shared_data / "videos" / what)
    assert assert_those_of_ultralytics(str(shared_data / MODEL), images) > 10
