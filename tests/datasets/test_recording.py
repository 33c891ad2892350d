"""Our JSON Lines, refined as a file: the same lines with other scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import Poses, Refiner
from rcnet_rt.cli import main
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.datasets.recording import read_recording


@pytest.fixture
def recording(tmp_path: Path, random_poses: Poses) -> Path:
    path = tmp_path / "poses.jsonl"
    header = Header("Straße.mp4", "yolov8n-pose", "none", "coco17", 0.25, "yolo-pose", (640, 480))
    with JsonLinesWriter(path, header) as writer:
        for index in range(3):
            poses = random_poses[2 * index :]
            writer.write(index, index / 5, poses, poses.scores > 0.5)
    lines = path.read_text().splitlines()
    lines.insert(2, json.dumps({"event": "gap", "seconds": 1.5}))
    path.write_text("\n".join(lines) + "\n")
    return path


def objects(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_only_scores_change(recording: Path, tmp_path: Path, random_poses: Poses) -> None:
    out = tmp_path / "refined.jsonl"
    with pytest.raises(SystemExit) as stopped:
        main(["refine", str(recording), "--out", str(out), "--weights", "yolo-pose"])
    assert stopped.value.code == 0
    refiner = Refiner("yolo-pose")
    threshold = refiner.weights.threshold("auto")
    before, after = objects(recording), objects(out)
    assert {**after[0], "weights": "none", "threshold": 0.25} == before[0]
    assert (after[0]["weights"], after[0]["threshold"]) == ("yolo-pose", threshold)
    assert after[2] == before[2] == {"event": "gap", "seconds": 1.5}
    frame = 0
    for old, new in zip(before[1:], after[1:], strict=True):
        if "event" in old:
            continue
        scores = [pose["score"] for pose in new["poses"]]
        expected = refiner(random_poses[2 * frame :]).scores
        np.testing.assert_allclose(scores, expected, atol=1e-6)
        assert [pose["kept"] for pose in new["poses"]] == [s >= threshold for s in scores]
        for was, now in zip(old["poses"], new["poses"], strict=True):
            assert {**now, "score": 0, "kept": 0} == {**was, "score": 0, "kept": 0}
        frame += 1
    assert frame == 3


def test_names_are_frames_or_files(recording: Path, tmp_path: Path, random_poses: Poses) -> None:
    assert read_recording(recording).names == [0, 1, 2]
    path = tmp_path / "images.jsonl"
    header = Header("folder", "m", "none", "coco17", 0.25, "yolo-pose", (640, 480))
    with JsonLinesWriter(path, header) as writer:
        writer.write(0, None, random_poses, random_poses.scores > 0, "a.jpg")
    assert read_recording(path).names == ["a.jpg"]
