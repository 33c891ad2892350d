"""`rcnet-rt run --track`: people, who do not blink."""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rcnet_rt.cli import main
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter, read_lines
from rcnet_rt.poses.poses import Poses
from rcnet_rt.video.sink import VideoSink
from rcnet_rt.workflows import video_stages

SCORES = (0.5, 0.5, 0.5, 0.2, 0.5, 0.5)  # of the second person, who blinks at 0.3


class FirstIsZero:
    """A tracker to be put in: people keep the order in which they stand from left to right."""

    def __init__(self, least: float) -> None: ...

    def __call__(self, poses: Poses, time: float) -> Poses:
        left = poses.keypoints[:, 0, 0]
        return replace(poses, track_ids=np.argsort(np.argsort(left)))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_poses: Poses) -> Path:
    """A folder with a clip of two people at 10 frames a second, recorded; we stand in it."""
    monkeypatch.chdir(tmp_path)
    with VideoSink(tmp_path / "clip.mp4", (640, 480), Fraction(10), Fraction(1, 10)) as sink:
        for index in range(len(SCORES)):
            sink.write(np.zeros((480, 640, 3), np.uint8), Fraction(index, 10))
    header = Header("clip.mp4", "recorded", "none", "coco17", 0.3, "yolo-pose", (640, 480))
    people = random_poses[:2]
    order = [1, 0] if people.keypoints[0, 0, 0] > people.keypoints[1, 0, 0] else [0, 1]
    with JsonLinesWriter(tmp_path / "poses.jsonl", header) as writer:
        for index, score in enumerate(SCORES):
            poses = replace(people[order], scores=[0.8, score])
            writer.write(index, index / 10, poses, poses.scores > 0)
    return tmp_path


def run(*arguments: str) -> list[dict[str, Any]]:
    common = ("--model", "replay:poses.jsonl", "--weights", "none", "--conf", "0.3")
    with pytest.raises(SystemExit) as stopped:
        main(["clip.mp4", *common, "--json", "a.jsonl", *arguments])
    assert stopped.value.code == 0
    return list(read_lines(Path("a.jsonl")))


def check(lines: list[dict[str, Any]]) -> None:
    poses = [line["poses"] for line in lines]
    assert [[pose["track"] for pose in frame] for frame in poses] == [[0, 1]] * 6
    assert [pose["score_raw"] for _, pose in poses] == pytest.approx(SCORES)
    # Not in the very first frame, and then without a break.
    assert [pose["kept"] for _, pose in poses] == [False] + [True] * 5
    scores = [pose["score"] for _, pose in poses]
    assert scores[:3] == pytest.approx([0.5] * 3, abs=1e-6)
    assert 0.3 < scores[3] < 0.5
    assert [pose["score"] for pose, _ in poses] == pytest.approx([0.8] * 6, abs=1e-6)


def test_nobody_blinks(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = run("--no-video")
    assert [line["poses"][1]["kept"] for line in plain] == [True] * 3 + [False] + [True] * 2
    assert "tracks" not in capsys.readouterr().out
    monkeypatch.setattr(video_stages, "ByteTrack", FirstIsZero)
    check(run("--track"))
    assert "tracks: 12 poses followed" in capsys.readouterr().out
    assert Path("clip_rcnet.mp4").exists()


def test_with_the_tracker_itself(place: Path) -> None:
    pytest.importorskip("trackers", reason="pip install 'rcnet-rt[track]'")
    check(run("--track", "--no-video"))


def test_ids_that_are_recorded_are_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_stages, "ByteTrack", FirstIsZero)
    lines = Path("poses.jsonl").read_text().splitlines()
    named = [line.replace('"kept": true', '"kept": true, "track": 7', 1) for line in lines]
    named = [line.replace('"kept": true}', '"kept": true, "track": 3}') for line in named]
    Path("poses.jsonl").write_text("\n".join(named))
    assert {tuple(pose["track"] for pose in line["poses"]) for line in run("--track")} == {(7, 3)}


def test_every_video_has_people_of_its_own(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_stages, "ByteTrack", FirstIsZero)
    Path("videos").mkdir()
    for name in "ab":
        Path(f"videos/{name}.mp4").write_bytes(Path("clip.mp4").read_bytes())
    lines = Path("poses.jsonl").read_text().splitlines()
    Path("poses.jsonl").write_text("\n".join([*lines, *lines[1:]]))
    with pytest.raises(SystemExit):
        main(
            [
                "videos",
                "--model",
                "replay:poses.jsonl",
                "--weights",
                "none",
                "--track",
                "--json",
                "b.jsonl",
            ]
        )
    kept = [any(pose["kept"] for pose in line["poses"]) for line in read_lines(Path("b.jsonl"))]
    assert kept == ([False] + [True] * 5) * 2


def failing(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    there = sorted(Path().iterdir())
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--model", "replay:poses.jsonl", "--track", "--telemetry", "t.json"])
    assert stopped.value.code == 1
    assert sorted(Path().iterdir()) == there
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_images_have_no_time(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite("photo.png", np.zeros((480, 640, 3), np.uint8))
    for source in ("photo.png", "."):
        assert "through time" in failing(source, capsys=capsys)


def test_without_the_package(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    assert "pip install 'rcnet-rt[track]'" in failing("clip.mp4", capsys=capsys)
