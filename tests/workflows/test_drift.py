"""A run with a drift alarm: what it says, and where."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import Poses, process_video
from rcnet_rt.cli import main
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter, read_lines, read_objects
from rcnet_rt.video.sink import VideoSink
from rcnet_rt.workflows.progress import Progress

FRAMES, DARK, LIGHT = 260, 140, 200
SIZE = (160, 120)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_poses: Poses) -> Path:
    """A folder with a noisy clip that is dark from one frame to another, and its poses."""
    monkeypatch.chdir(tmp_path)
    rng, poses = np.random.default_rng(0), replace(random_poses, image_size=SIZE)
    header = Header("clip.mp4", "recorded", "none", "coco17", 0.25, "yolo-pose", SIZE)
    with (
        VideoSink(tmp_path / "clip.mp4", SIZE, Fraction(30), Fraction(1, 30)) as sink,
        JsonLinesWriter(tmp_path / "poses.jsonl", header) as writer,
    ):
        for index in range(FRAMES):
            bright = 0.3 if DARK <= index < LIGHT else 1.0
            image = rng.integers(60, 160, (SIZE[1] // 8, SIZE[0] // 8, 3)) * bright
            sink.write(image.astype(np.uint8).repeat(8, 0).repeat(8, 1), Fraction(index, 30))
            writer.write(index, index / 30, poses, poses.scores > 0)
    return tmp_path


def test_darkness_is_said_everywhere() -> None:
    messages: list[Progress] = []
    run = process_video(
        "clip.mp4",
        model="replay:poses.jsonl",
        weights="none",
        drift_alarm=True,
        drift_reference=100,
        out="drawn.mp4",
        json="a.jsonl",
        telemetry="t.json",
        serve=0,
        progress=messages.append,
    )
    dark = [
        result.frame.index
        for result in run
        if any(change.what == "brightness" for change in result.drift)
    ]
    assert DARK < dark[0] <= DARK + 60
    assert LIGHT < dark[-1] <= LIGHT + 60
    assert dark == list(range(dark[0], dark[-1] + 1))

    events = [line for line in read_objects(Path("a.jsonl")) if "event" in line]
    begin, over = (event for event in events if event["what"] == "brightness")
    assert (begin["event"], begin["after"]) == ("drift", dark[0] - 1)
    assert (over["event"], over["after"]) == ("drift over", dark[-1])
    assert begin["text"].startswith("image darker: mean brightness 1")
    assert begin["now"] < 0.4 * begin["before"]
    assert "frame" not in begin
    assert len(list(read_lines(Path("a.jsonl")))) == FRAMES

    said = [step.message for step in messages if step.message.startswith("drift")]
    assert f"drift alarm at frame {dark[0]}: {begin['text']}" in said
    assert any(message.startswith("drift over at frame") for message in said)
    figures = json.loads(Path("t.json").read_text())
    assert figures["drift_alarms"]["brightness"] == 1
    assert figures["stages"]["monitor"]["count"] == FRAMES


def test_the_command_says_it_on_stderr_and_in_the_summary(
    capfd: pytest.CaptureFixture[str],
) -> None:
    options = "--weights none --no-video --drift-alarm --drift-reference 100 --max-frames 190"
    with pytest.raises(SystemExit) as caught:
        main(["clip.mp4", "--model", "replay:poses.jsonl", *options.split()])
    assert caught.value.code == 0
    out, err = capfd.readouterr()
    assert "drift alarm at frame 1" in err
    assert ": image darker: mean brightness 1" in err
    assert "drift over" not in err
    assert re.search(r"^drift alarms: .*brightness \(1\)", out, re.MULTILINE)


def test_without_a_reference_there_is_a_note() -> None:
    run = process_video("clip.mp4", model="replay:poses.jsonl", weights="none", drift_alarm=True)
    (note,) = run.finish().notes
    assert "the first 600 frames" in note
    assert run.summary.telemetry.alarms == {}


def test_nothing_is_measured_where_nobody_asked() -> None:
    run = process_video("clip.mp4", model="replay:poses.jsonl", weights="none", max_frames=3)
    assert all(result.drift == () for result in run)
    assert "monitor" not in run.summary.telemetry.stages
