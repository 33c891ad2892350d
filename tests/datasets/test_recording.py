"""Our JSON Lines, refined as a file: the same lines with other scores."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import Poses, Refiner
from rcnet_rt.cli import main
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.datasets.recording import open_recording
from rcnet_rt.errors import DatasetError
from rcnet_rt.rescoring.score_convention import ScoreConvention
from rcnet_rt.workflows.rescore import rescore, rescore_images


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


def test_it_is_read_in_blocks(
    recording: Path, random_poses: Poses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rcnet_rt.datasets.recording.BLOCK", 8)
    opened = open_recording(recording)
    assert (opened.image_count, opened.pose_count) == (3, 5 + 3 + 1)
    assert [len(poses) for poses in opened.pooled()] == [8, 1]
    frames = [random_poses, random_poses[2:], random_poses[4:]]
    assert opened.score_convention == ScoreConvention.of(frames)
    for name in ("keypoints", "scores", "keypoint_scores", "boxes"):
        got = np.concatenate([getattr(poses, name) for poses in opened.pooled()])
        expected = np.concatenate([getattr(poses, name) for poses in frames])
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("weights", ["generic", "yolo-pose", "formula:score_times_confidence"])
def test_scores_are_those_of_the_whole_file(
    recording: Path, tmp_path: Path, random_poses: Poses, weights: str
) -> None:
    """Weights that use a reference get the scores of all frames."""
    out = tmp_path / "out.jsonl.gz"
    counts = rescore(recording, out, weights)
    assert (counts.images, counts.poses) == (3, 9)
    frames = [random_poses, random_poses[2:], random_poses[4:]]
    expected = [poses.scores.tolist() for poses in rescore_images(frames, Refiner(weights))]
    lines = [json.loads(line) for line in gzip.decompress(out.read_bytes()).splitlines()]
    scores = [[one["score"] for one in line["poses"]] for line in lines if "frame" in line]
    assert scores == expected
    rescore(recording, recording, weights)  # in place
    assert objects(recording) == lines


def test_events_stay_in_their_places(tmp_path: Path, random_poses: Poses) -> None:
    """Frames wait to be refined together, and events among them; nobody may be in a frame."""
    path = tmp_path / "a.jsonl"
    header = Header("a.mp4", "m", "none", "coco17", 0.25, "yolo-pose", (640, 480))
    with JsonLinesWriter(path, header) as writer:
        writer.event("start")
        for index in range(4):
            poses = random_poses if index % 2 else Poses.empty(17, (640, 480))
            writer.write(index, index / 5, poses, poses.scores > 0.5)
            writer.event("after", frame_before=index)
    before = objects(path)
    rescore(path, path, "yolo-pose")
    after = objects(path)
    assert [line for line in after[1:] if "event" in line] == [
        line for line in before if "event" in line
    ]
    assert [line.get("frame", "event") for line in after[1:]] == [
        *("event", 0, "event", 1, "event", 2, "event", 3, "event")
    ]


def test_damage_anywhere_leaves_no_output(recording: Path, tmp_path: Path) -> None:
    recording.write_text(recording.read_text()[:-20])
    with pytest.raises(DatasetError, match="line 5: not JSON"):
        rescore(recording, tmp_path / "out.jsonl", "yolo-pose")
    assert not (tmp_path / "out.jsonl").exists()


def test_long_recordings_take_no_more_memory(
    tmp_path: Path, random_poses: Poses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Python holds at most while 20 times as many frames are refined."""
    monkeypatch.setattr("rcnet_rt.datasets.recording.BLOCK", 250)
    header = Header("a.mp4", "m", "none", "coco17", 0.25, "yolo-pose", (640, 480))
    highest = []
    refiner = Refiner("formula:score_times_confidence")
    refiner(random_poses)
    for frames in (100, 2000):
        path = tmp_path / f"{frames}.jsonl"
        with JsonLinesWriter(path, header) as writer:
            for index in range(frames):
                writer.write(index, index / 30, random_poses, random_poses.scores > 0.5)
        tracemalloc.start()
        opened = open_recording(path)
        opened.write(tmp_path / "out.jsonl", refiner.stream, threshold=0.5, weights="baseline")
        highest.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert highest[1] < 1.5 * highest[0]
