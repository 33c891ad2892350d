"""YOLO-Pose generations as files, against ultralytics' own output, with random parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rcnet_rt import estimators
from rcnet_rt.poses import Poses

pytestmark = pytest.mark.filterwarnings("ignore")  # ultralytics' own

FLOOR = 1e-6  # random networks are not sure of anything
PICTURE = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)


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
    poses = estimator.estimate(PICTURE)
    options = {"conf": FLOOR, "verbose": False, "device": "cpu"}
    alone = YOLO(str(path), task="pose").predict(PICTURE, **options)[0]
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


def test_an_onnx_file(file: Path) -> None:
    from ultralytics import YOLO

    exported = YOLO(str(file)).export(format="onnx", imgsz=64, simplify=False, verbose=False)
    check(Path(exported))
