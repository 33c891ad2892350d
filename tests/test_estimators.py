"""Estimators: names and paths, ultralytics to the bit, recorded poses."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rcnet_rt import estimators
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators import ultralytics
from rcnet_rt.poses import Poses
from rcnet_rt.skeletons import COCO17
from rcnet_rt.video.source import open_source

IMAGE = np.zeros((480, 640, 3), np.uint8)


@pytest.fixture
def recording(tmp_path: Path, random_poses: Poses) -> Path:
    path = tmp_path / "poses.jsonl"
    header = Header("a.mp4", "yolov8n-pose", "none", "coco17", 0.25, "yolo-pose", (640, 480))
    with JsonLinesWriter(path, header) as writer:
        for index in range(2):
            writer.write(index, 0.0, random_poses[index:], random_poses.scores[index:] > 0)
    return path


def test_replay_gives_the_recorded_frames_in_order(recording: Path, random_poses: Poses) -> None:
    estimator = estimators.load(f"replay:{recording}", floor=0.05)
    assert (estimator.name, estimator.family) == ("yolov8n-pose", "yolo-pose")
    assert estimator.skeleton is COCO17
    for index in range(2):
        poses = estimator.estimate(IMAGE)
        np.testing.assert_array_equal(poses.keypoints, random_poses.keypoints[index:])
        np.testing.assert_array_equal(poses.scores, random_poses.scores[index:])
    with pytest.raises(EstimatorError, match="has 2 recorded frames"):
        estimator.estimate(IMAGE)


def test_replay_on_other_pictures(recording: Path) -> None:
    estimator = estimators.load(f"replay:{recording}", floor=0.05)
    with pytest.raises(EstimatorError, match=r"recorded on pictures of \(640, 480\)"):
        estimator.estimate(IMAGE[:-1])


def test_family(recording: Path, tmp_path: Path) -> None:
    assert estimators.family(f"replay:{recording}") == "yolo-pose"
    assert estimators.family("yolo11m-pose") == "yolo-pose"
    (tmp_path / "mine.onnx").touch()
    assert estimators.family(str(tmp_path / "mine.onnx")) == "yolo-pose"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nonsense", "unknown model 'nonsense'; give"),
        ("yolov8n", "unknown model"),
        ("yolov8n-pose.yaml", "unknown model"),
        ("nothere.onnx", "model nothere.onnx does not exist"),
        ("some/folder/model", "does not exist"),
        ("replay:nothere.jsonl", "no such file: nothere.jsonl"),
        ("folder", "without an OpenVINO model"),
        ("notes.txt", "not a model that is understood"),
    ],
)
def test_models_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").touch()
    for ask in (estimators.family, lambda name: estimators.load(name, floor=0.05)):
        with pytest.raises(EstimatorError, match=message):
            ask(model)


def result(data: np.ndarray) -> SimpleNamespace:
    """What ultralytics gives, as far as it is read."""
    count = len(data)
    return SimpleNamespace(
        orig_shape=(480, 640),
        keypoints=SimpleNamespace(data=data),
        boxes=SimpleNamespace(conf=np.full(count, 0.5), xyxy=np.zeros((count, 4))),
    )


def test_only_joints_at_zero_with_confidence_zero_are_missing() -> None:
    data = np.random.default_rng(0).uniform(1, 9, (2, 17, 3)).astype(np.float32)
    data[0, 1] = 0
    data[0, 2] = (0, 0, 0.2)
    data[0, 3] = (5, 0, 0)
    poses = ultralytics.poses_from_result(result(data))
    assert np.argwhere(~poses.found).tolist() == [[0, 1]]
    keep = poses.found
    np.testing.assert_array_equal(poses.keypoints[keep], data[..., :2][keep])
    np.testing.assert_array_equal(poses.keypoint_scores, data[..., 2])
    assert poses.image_size == (640, 480)


def test_models_without_joint_confidence() -> None:
    data = np.zeros((1, 17, 2), np.float32)
    poses = ultralytics.poses_from_result(result(data))
    assert poses.keypoint_scores is None
    assert poses.found.all()


@pytest.mark.filterwarnings("ignore")
def test_keypoints_are_those_of_ultralytics_to_the_bit(shared_data: Path) -> None:
    pytest.importorskip("openvino")
    model = str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")
    estimator = estimators.load(model, floor=0.05)
    assert estimator.name == "yolov8n-pose_int8_openvino_model"

    from ultralytics import YOLO

    alone = YOLO(model, task="pose")
    with open_source(str(shared_data / "videos" / "people.mp4")) as source:
        for frame in source:
            poses = estimator.estimate(frame.image_bgr)
            expected = alone.predict(frame.image_bgr, conf=0.05, verbose=False)[0]
            data = expected.keypoints.data.numpy()
            assert len(poses) == len(data) > 3
            np.testing.assert_array_equal(poses.keypoints, data[..., :2])
            np.testing.assert_array_equal(poses.keypoint_scores, data[..., 2])
            np.testing.assert_array_equal(poses.scores, expected.boxes.conf.numpy())
            np.testing.assert_array_equal(poses.boxes, expected.boxes.xyxy.numpy())
            assert poses.image_size == frame.size


@pytest.mark.filterwarnings("ignore")
def test_a_device_that_is_not_here(shared_data: Path) -> None:
    model = str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")
    with pytest.raises(EstimatorError, match="device asked for is not here"):
        estimators.load(model, floor=0.05, device="cuda:77")


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_bytes(b"no pickle")
    with pytest.raises(EstimatorError, match=r"broken.pt cannot be loaded") as caught:
        estimators.load(str(tmp_path / "broken.pt"), floor=0.05)
    assert "\n" not in str(caught.value)
