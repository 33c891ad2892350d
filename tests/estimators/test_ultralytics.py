"""YOLO-Pose generations as files, against ultralytics' own output, with random parameters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from rcnet_rt import estimators
from rcnet_rt.estimators.yolo.raw import RawYoloPose
from rcnet_rt.poses.poses import Poses

pytestmark = pytest.mark.filterwarnings("ignore")  # ultralytics' own

FLOOR = 1e-6  # random networks are not sure of anything
IMAGE = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)


@pytest.fixture(scope="module", params=["yolov8n-pose", "yolo11n-pose", "yolo26n-pose"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ultralytics import YOLO

    path = tmp_path_factory.mktemp("models") / f"{request.param}.pt"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        YOLO(f"{request.param}.yaml", task="pose").save(path)
    return path


def check(path: Path) -> tuple[Any, Poses]:
    """Hold the estimator of a file against ultralytics alone; return both."""
    from ultralytics import YOLO

    estimator = estimators.load(str(path), floor=FLOOR, device="cpu")
    poses = estimator.estimate(IMAGE)
    options = {"conf": FLOOR, "verbose": False, "device": "cpu"}
    alone = YOLO(str(path), task="pose").predict(IMAGE, **options)[0]
    assert len(poses) == len(alone) > 0
    np.testing.assert_array_equal(poses.keypoints, alone.keypoints.data[..., :2])
    np.testing.assert_array_equal(poses.keypoint_scores, alone.keypoints.data[..., 2])
    np.testing.assert_array_equal(poses.scores, alone.boxes.conf)
    np.testing.assert_array_equal(poses.boxes, alone.boxes.xyxy)
    return estimator, poses


def test_a_pytorch_file(file: Path) -> None:
    estimator, poses = check(file)
    assert (estimator.name, estimator.family) == (file.name, "yolo-pose")
    assert estimator.skeleton.name == "coco17"
    assert poses.image_size == (64, 48)


def test_embeddings_are_what_the_head_saw_and_change_nothing_else(file: Path) -> None:
    estimator, before = check(file)
    assert before.embeddings is None
    estimator.show_embeddings()
    after = estimator.estimate(IMAGE)
    for name in ("keypoints", "keypoint_scores", "scores", "boxes", "consensus"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert after.embeddings is not None
    assert after.embeddings.shape == (len(after), 64)
    other = estimator.estimate(IMAGE[:, ::-1])
    assert not np.array_equal(other.embeddings, after.embeddings)


def test_an_end_to_end_network_shows_no_embeddings(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator: Any = estimators.load(str(file), floor=FLOOR, device="cpu")
    head = estimator._model.predictor.model.model.model[-1]
    with monkeypatch.context() as patched:
        patched.setattr(type(head), "end2end", True)
        estimator.show_embeddings()
    assert estimator.estimate(IMAGE).embeddings is None


def test_the_size_of_the_input(file: Path) -> None:
    estimator: Any = estimators.load(str(file), floor=FLOOR, device="cpu", imgsz=(64, 96))
    assert estimator._model.predictor.imgsz == [64, 96]


@pytest.mark.parametrize(
    "options",
    [
        {"format": "onnx", "simplify": False},
        {"format": "onnx", "simplify": False, "dynamic": True},
        {"format": "openvino"},
        {"format": "openvino", "dynamic": True},
    ],
    ids=str,
)
def test_an_exported_file(file: Path, options: dict[str, Any]) -> None:
    if options["format"] == "openvino":
        pytest.importorskip("openvino")
    from ultralytics import YOLO

    exported = YOLO(str(file)).export(**options, imgsz=64, verbose=False)
    estimator, _ = check(Path(exported))
    assert isinstance(estimator, RawYoloPose)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_that_is_a_program_does_not_run(tmp_path: Path) -> None:
    """As a process of its own: the switch is read when ultralytics is imported."""
    trap, sprung = tmp_path / "yolo-pose-trap.pt", tmp_path / "sprung"
    torch.save({"model": Trap(sprung)}, trap)
    cv2.imwrite(str(tmp_path / "a.png"), IMAGE)
    command = [sys.executable, "-m", "rcnet_rt", str(tmp_path / "a.png"), "--model", str(trap)]
    done = subprocess.run([*command, "--no-video"], capture_output=True, text=True)
    assert done.returncode == 1
    assert not sprung.exists()
    note, error = done.stderr.splitlines()
    assert note.startswith(f"Note: {trap} is a pickle, that is, a program: ")
    assert error.startswith(f"Error: {trap} cannot be loaded")


def test_only_pickles_of_unknown_origin_are_announced(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("yolov8n-pose.pt", "mine.pt", "mine.onnx"):
        Path(name).touch()
    models = ["yolo-pose", "yolov8n-pose.pt", "./yolov8n-pose.pt", "mine.pt", "mine.onnx", "no.pt"]
    announced = [model for model in models if estimators.caution(model) is not None]
    assert announced == ["./yolov8n-pose.pt", "mine.pt"]
