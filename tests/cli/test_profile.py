"""`rcnet-rt profile` and `run --profile`."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import CameraProfile, Poses
from rcnet_rt.cli import main
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter, read_objects
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.correct_probability import RECORD, CorrectProbability
from rcnet_rt.video.sink import VideoSink

SIZE, FRAMES = (160, 120), 12
LEARNED = CorrectProbability((0.8, 2.6, -0.6), ((0.01,) * 3,) * 3, 0.5, 0.73, 0.1, 1540)
COMMON = ("clip.mp4", "--model", "replay:poses.jsonl", "--weights", "mine.safetensors")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_poses: Poses) -> Path:
    """A folder with a clip, its poses, and weights that know P(correct | score)."""
    monkeypatch.chdir(tmp_path)
    weights = weights_io.find("yolo-pose")
    training = {**weights.training, RECORD: LEARNED.record()}
    weights_io.save(replace(weights, training=training), tmp_path / "mine.safetensors")
    header = Header("clip.mp4", "recorded", "none", "coco17", 0.25, "yolo-pose", SIZE)
    poses = replace(random_poses, image_size=SIZE)
    with (
        VideoSink(tmp_path / "clip.mp4", SIZE, Fraction(10), Fraction(1, 10)) as sink,
        JsonLinesWriter(tmp_path / "poses.jsonl", header) as writer,
    ):
        for index in range(FRAMES):
            sink.write(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), Fraction(index, 10))
            writer.write(index, index / 10, poses, poses.scores > 0)
    return tmp_path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_a_profile_is_printed_written_and_used(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("profile", *COMMON, "--out", "camera.profile") == 0
    printed = capsys.readouterr().out
    made = CameraProfile.load(place / "camera.profile")
    assert made.threshold is not None
    assert made.curve is not None
    index = int(np.abs(made.curve.thresholds - made.threshold).argmin())
    assert f"{FRAMES} frames, {made.poses} poses" in printed
    assert f"threshold: {made.threshold:.3f}, the best estimated F1" in printed
    assert f"{made.threshold:.3f} │ {made.curve.precision.value[index]:.2f} (" in printed
    assert "joint confidence" in printed
    assert "note: only 1 s were seen" in printed
    assert "written: camera.profile" in printed
    for conf in ((), ("--conf", "profile"), ("--conf", "auto")):
        arguments = ("--profile", "camera.profile", "--no-video", "--json", "a.jsonl", *conf)
        assert run("run", *COMMON, *arguments) == 0
        assert read_objects(place / "a.jsonl")[0]["threshold"] == made.threshold
    assert run("run", *COMMON, *arguments[:-2], "--conf", "0.7") == 0
    assert read_objects(place / "a.jsonl")[0]["threshold"] == 0.7


def test_weights_without_the_probability_still_have_a_profile(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("clip.mp4", *COMMON[1:3], "--weights", "formula:score", "--out", "p")
    assert run("profile", *arguments) == 0
    printed = capsys.readouterr().out
    assert "precision and recall are not estimated" in printed
    assert "recall*" not in printed
    assert json.loads((place / "p").read_text())["score_reference"]["scores"]


def test_wrong_use_and_refusals(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("profile", *COMMON) == 2
    assert "--out" in capsys.readouterr().err
    assert run("profile", *COMMON, "--out", "p", "--min-precision", "1") == 2
    assert run("profile", "0", "--out", "p") == 1
    assert "give --max-frames" in capsys.readouterr().err
    assert run("run", *COMMON, "--no-video", "--conf", "profile") == 1
    assert "--conf profile needs --profile FILE" in capsys.readouterr().err
    assert run("run", *COMMON, "--no-video", "--conf", "best") == 2
    assert "auto, p95, guaranteed, profile, a number" in capsys.readouterr().err
    assert run("profile", *COMMON, "--out", "p") == 0
    capsys.readouterr()
    other = (*COMMON[:3], "--weights", "top-down", "--profile", "p", "--no-video")
    assert run("run", *other) == 1
    assert "the profile was made with weights 'mine'" in capsys.readouterr().err
    assert run("run", *COMMON, "--profile", "clip.mp4", "--no-video") == 1
    assert "clip.mp4" in capsys.readouterr().err
    assert not (place / "clip_rcnet.mp4").exists()
