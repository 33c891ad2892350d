from __future__ import annotations

import json
import os
import signal
from dataclasses import FrozenInstanceError
from pathlib import Path

import cv2
import numpy as np
import pytest

from rcnet_rt import Poses, SourceError, process_video
from rcnet_rt.datasets.jsonl import read_lines
from rcnet_rt.workflows.progress import Progress
from tests.helpers.clips import write_clip
from tests.helpers.processes import in_own_process

FRAMES = 6
MODEL = "replay:poses.jsonl"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_poses: Poses) -> Path:
    """A folder with a clip and the poses recorded for it, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path, random_poses, FRAMES)
    return tmp_path


def files() -> set[str]:
    return {path.name for path in Path().iterdir()} - {"clip.mp4", "poses.jsonl"}


def test_results_come_frame_by_frame_and_nothing_is_written(
    place: Path, random_poses: Poses, capfd: pytest.CaptureFixture[str]
) -> None:
    steps: list[Progress] = []
    run = process_video(Path("clip.mp4"), model=MODEL, threshold=0.5, progress=steps.append)
    assert not steps  # nothing is opened before it is asked for
    for index, result in enumerate(run):
        assert result.frame.index == index
        assert result.frame.image_bgr.shape == (480, 640, 3)
        assert result.drawn is None
        np.testing.assert_allclose(result.poses.raw_scores, random_poses.scores)
        np.testing.assert_array_equal(result.kept, result.poses.scores >= 0.5)
        assert steps[-1] == Progress("clip.mp4", index + 1, FRAMES)
    assert len(steps) == FRAMES + 1
    assert files() == set()
    summary = run.summary
    assert (summary.frames, summary.poses) == (FRAMES, FRAMES * len(random_poses))
    assert summary.scoring is not None
    assert summary.scoring.threshold == 0.5
    assert summary.recheck is None
    assert capfd.readouterr() == ("", "")
    with pytest.raises(FrozenInstanceError):
        summary.frames = 0  # type: ignore[misc]


def test_outputs_that_are_asked_for(place: Path) -> None:
    run = process_video("clip.mp4", model=MODEL, out="auto", json="a.jsonl", telemetry="t.json")
    summary = run.finish()
    assert files() == {"clip_rcnet.mp4", "a.jsonl", "t.json"}
    assert {path.name for path in summary.written} == files()
    assert len(list(read_lines(Path("a.jsonl")))) == summary.frames == FRAMES
    assert json.loads(Path("t.json").read_text())["frames"]["out"] == FRAMES
    process_video("clip.mp4", model=MODEL, out=Path("new"), max_frames=2).finish()
    assert (place / "new" / "clip_rcnet.mp4").is_file()


def test_a_run_that_is_left_early_keeps_what_was_done(place: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with process_video("clip.mp4", model=MODEL, json="a.jsonl") as run:
        assert next(run).frame.index == 0
    assert signal.getsignal(signal.SIGINT) is before
    assert 1 <= len(list(read_lines(Path("a.jsonl")))) <= FRAMES
    run.close()
    with pytest.raises(StopIteration):
        next(run)


def test_ctrl_c_takes_effect_between_frames(place: Path) -> None:
    in_own_process(ctrl_c_takes_effect_between_frames)


def ctrl_c_takes_effect_between_frames() -> None:
    run = process_video("clip.mp4", model=MODEL, json="a.jsonl")
    next(run)
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run.finish()
    assert run.summary.written == (Path("a.jsonl"),)


def test_images_and_failures(place: Path) -> None:
    cv2.imwrite("photo.png", np.zeros((480, 640, 3), np.uint8))
    (result,) = process_video("photo.png", model=MODEL, weights="none")
    assert result.frame.name == "photo.png"
    missing = process_video("missing.mp4", model=MODEL)
    with pytest.raises(SourceError, match="no such file"):
        next(missing)
    assert missing.summary.scoring is None
    with pytest.raises(SourceError, match="through time"):
        process_video("photo.png", model=MODEL, track=True).finish()
