"""Workers as real processes: killed, with a driver that is killed, and on a real model."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rcnet_rt.datasets.parquet.files import POSES
from rcnet_rt.errors import EstimatorError
from rcnet_rt.workflows.fleet.run import predict_sources
from tests.helpers.fleet import (
    KILLED_MODEL,
    KILLED_ONCE_MODEL,
    MODEL,
    SLOW_MODEL,
    assert_same_frames,
    read_folder,
    write_video,
)

ROOT = Path(__file__).resolve().parents[3]
KILLS = 10


def test_a_worker_that_is_killed_is_replaced(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RCNET_RT_TEST_MARKER", str(tmp_path / "marker"))
    summary = predict_sources([clips], KILLED_ONCE_MODEL, tmp_path / "out", segment=0.5)
    assert (summary.frames, summary.failures) == (100, ())
    # What it had done of its part was done again, and nothing else.
    assert 100 < (tmp_path / "marker").stat().st_size < 120


@pytest.mark.slow
def test_a_video_that_kills_workers_costs_itself_alone(clips: Path, tmp_path: Path) -> None:
    black = write_video(tmp_path / "black.mp4", 10, brightness=0.02)
    out, alone = tmp_path / "out", tmp_path / "alone"
    summary = predict_sources([black, clips], KILLED_MODEL, out, segment=0.5, workers=2)
    assert [(f.source, f.reason) for f in summary.failures] == [
        (str(black), "its worker died (SIGKILL), 3 times")
    ]
    predict_sources([clips], KILLED_MODEL, alone, segment=0)
    assert_same_frames(read_folder(out), read_folder(alone))


def test_a_model_that_cannot_be_loaded_ends_the_run(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(EstimatorError, match="has no nothing"):
        predict_sources([clips], "tests.helpers.fleet:nothing", tmp_path / "out", weights="generic")


@pytest.mark.slow
def test_a_driver_that_is_killed_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mp4", 400)
    poison = tmp_path / "poison.mp4"
    poison.write_bytes(b"poison")
    out = tmp_path / "out"
    command = predict_command([video, poison], out)
    moments = random.Random(0)
    written: dict[str, int] = {}
    counts = []
    for _ in range(KILLS):
        driver = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        enough = len(written) + moments.randint(0, 3)
        while driver.poll() is None and len(parts_of(out)) < enough:
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.4))
        assert driver.poll() is None
        driver.kill()
        driver.wait()
        time.sleep(0.5)  # the workers see it and end
        for name, stamp in parts_of(out).items():
            assert written.setdefault(name, stamp) == stamp  # what is there is not done again
        counts.append(len(written))
    assert 5 < counts[-1] < 40
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 1  # the poison
    after = parts_of(out)
    assert len(after) == 40
    assert {name: after[name] for name in written} == written
    assert not list((out / ".partial").iterdir())
    predict_sources([video], MODEL, tmp_path / "whole", segment=0)
    assert_same_frames(read_folder(out), read_folder(tmp_path / "whole"))


def predict_command(sources: list[Path], out: Path) -> list[str]:
    command = [sys.executable, "-m", "rcnet_rt", "predict", *map(str, sources)]
    command += ["--model", SLOW_MODEL, "--out", str(out), "--segment", "0.3", "--workers", "2"]
    return command


def parts_of(out: Path) -> dict[str, int]:
    """Return when each part was written."""
    return {path.name: path.stat().st_mtime_ns for path in (out / POSES).glob("*.parquet")}


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_changes_nothing(clips: Path, tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    out = tmp_path / "out"
    driver = subprocess.Popen(predict_command([clips], out), cwd=ROOT)
    while not parts_of(out):
        time.sleep(0.02)
        assert driver.poll() is None
    children = psutil.Process(driver.pid).children()
    killed = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    os.kill(killed[0].pid, signal.SIGKILL)
    assert driver.wait() == 0
    predict_sources([clips], MODEL, tmp_path / "whole", segment=0)
    assert_same_frames(read_folder(out), read_folder(tmp_path / "whole"))


@pytest.mark.slow
def test_a_real_model_on_real_videos(shared_data: Path, tmp_path: Path) -> None:
    model = str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")
    videos = shared_data / "videos" / "people.mp4"
    for out, workers in (("one", 1), ("two", 2)):
        summary = predict_sources([videos], model, tmp_path / out, workers=workers, segment=0)
        assert summary.failures == ()
        assert summary.poses > 0
    assert_same_frames(read_folder(tmp_path / "one"), read_folder(tmp_path / "two"))
