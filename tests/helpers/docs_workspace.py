"""A folder in which the commands of the documentation run, and the names that its Python uses."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rcnet_rt import Poses, Refiner
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.datasets.results import write_results
from rcnet_rt.video.sink import VideoSink
from tests.helpers.onnx_models import pose_model
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset

__all__ = ["MODEL", "make_workspace", "namespace"]

MODEL = "my_pose.onnx"
INPUT, IMAGE = 64, 480  # pixels of the network's input and of the images of the data set
# Center x and y, width, height, score; the second is suppressed by the first.
PEOPLE = [[20, 32, 24, 40, 0.9], [20, 33, 24, 40, 0.8], [46, 30, 20, 36, 0.55]]


def make_workspace(folder: Path) -> Path:
    """Write a model, videos, images, a COCO data set, results and JSON Lines; return the folder."""
    people = _people()
    pose_model(folder / MODEL, people.T[None], shape=(1, 3, INPUT, INPUT))
    for name in ("video.mp4", "clip.mp4", "clips/one.mp4", "clips/two.mp4", "more/day/three.mp4"):
        _write_video(folder / name)
    (folder / "list.txt").write_text("clip.mp4\n")
    (folder / "images").mkdir()
    for name in ("a.jpg", "b.jpg"):
        cv2.imwrite(str(folder / "images" / name), np.full((48, 64, 3), 90, np.uint8))
    _write_coco(folder, people)
    _write_recording(folder / "poses.jsonl")
    return folder


def namespace() -> dict[str, Any]:
    """Return what a page may take for given: an estimator's poses, and what holds them."""
    rng = np.random.default_rng(0)
    poses = _random_poses(rng)
    return {
        "np": np,
        "keypoints": poses.keypoints,
        "scores": poses.scores,
        "confidences": poses.keypoint_scores,
        "boxes": poses.boxes,
        "image": np.zeros((240, 320, 3), np.uint8),
        "poses": poses,
        "earlier_frames": [_random_poses(rng) for _ in range(10)],
        "refiner": Refiner("yolo-pose"),
    }


def _people() -> np.ndarray:
    """Return (3, 56) candidates as YOLO-Pose gives them: box, score, x, y and confidence."""
    rng = np.random.default_rng(0)
    shape = rng.uniform(-0.45, 0.45, (17, 2))
    rows = []
    for x, y, width, height, score in PEOPLE:
        joints = np.array([x, y]) + shape * (width, height) + rng.normal(0, 0.3, (17, 2))
        columns = np.column_stack([joints, rng.uniform(0.3, 1, 17)])
        rows.append([x, y, width, height, score, *columns.ravel()])
    return np.array(rows)


def _write_video(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoSink(path, (320, 240), Fraction(10), Fraction(1, 10)) as sink:
        for index in range(8):
            sink.write(np.full((240, 320, 3), 20 * index, np.uint8), Fraction(index, 10))


def _write_coco(folder: Path, people: np.ndarray) -> None:
    """Write a data set in whose images the model's people are, more or less where it sees them."""
    rng = np.random.default_rng(1)
    content = make_content(images=12)
    scale = IMAGE / INPUT
    for image in content["images"]:
        for person in people[[0, 2]]:
            joints = person[5:].reshape(17, 3)[:, :2] * scale + rng.normal(0, 6, (17, 2))
            x, y, width, height = person[:4] * scale
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": image["id"],
                    "category_id": 1,
                    "iscrowd": 0,
                    "num_keypoints": 17,
                    "keypoints": np.column_stack([joints, np.full(17, 2)]).ravel().tolist(),
                    "bbox": [x - width / 2, y - height / 2, width, height],
                    "area": width * height / 2,
                }
            )
    write_dataset(folder / "coco", content)
    images = folder / "coco" / "images" / "val2017"
    images.mkdir(parents=True)
    for image in content["images"]:
        pixels = np.full((IMAGE, IMAGE, 3), 90, np.uint8)
        cv2.imwrite(str(images / image["file_name"]), pixels)
    for seed, name in enumerate(("predictions.json.gz", "other.json.gz", "results.json")):
        write_results(folder / name, make_results(content, seed))


def _random_poses(rng: np.random.Generator) -> Poses:
    keypoints = rng.uniform(0, 100, (4, 1, 2)) + rng.uniform(0, 100, (4, 17, 2))
    return Poses(
        keypoints,
        rng.uniform(0.1, 1, 4),
        keypoint_scores=rng.uniform(0, 1, (4, 17)),
        boxes=np.concatenate([keypoints.min(1) - 5, keypoints.max(1) + 5], axis=1),
        image_size=(320, 240),
    )


def _write_recording(path: Path) -> None:
    rng = np.random.default_rng(2)
    header = Header("clip.mp4", "recorded", "none", "coco17", 0.25, "yolo-pose", (320, 240))
    with JsonLinesWriter(path, header) as writer:
        for index in range(8):
            poses = _random_poses(rng)
            writer.write(index, index / 10, poses, poses.scores > 0.25)
