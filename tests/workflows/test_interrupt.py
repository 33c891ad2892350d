"""Signals that end a run: outputs are finished, and the exit code names the signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rcnet_rt.video.sink import VideoSink
from rcnet_rt.workflows.interrupt import Terminated, between_frames
from tests.helpers.processes import in_own_process

FRAMES = 2000
SLOW = """
import time
import numpy as np
from rcnet_rt import Poses
def model(image):
    time.sleep(0.02)
    return Poses(np.full((1, 17, 2), 20.0), [0.9])
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a long clip and an estimator that takes its time."""
    (tmp_path / "slow.py").write_text(SLOW)
    with VideoSink(tmp_path / "a.mp4", (48, 32), Fraction(30), Fraction(1, 90_000)) as sink:
        for index in range(FRAMES):
            sink.write(np.full((32, 48, 3), 90, np.uint8), Fraction(index, 30))
    return tmp_path


def run(place: Path, *prefix: str) -> subprocess.Popen[str]:
    command = ["-m", "rcnet_rt", "a.mp4", "--model", "slow:model", "--weights", "none"]
    outputs = ["--json", "a.jsonl", "--telemetry", "t.json"]
    started = subprocess.Popen(
        [*prefix, sys.executable, *command, *outputs],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Lines come in blocks, so the encoder's file says when it has begun.
    until = time.monotonic() + 60
    while time.monotonic() < until and started.poll() is None:
        if any(path.name.endswith(".partial.mp4") for path in place.iterdir()):
            time.sleep(1)
            return started
        time.sleep(0.05)
    raise AssertionError(started.communicate())


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="these signals are POSIX's")
@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("SIGINT", 130, "Interrupted."),
        ("SIGTERM", 143, "Ended by SIGTERM."),
        ("SIGHUP", 129, "Ended by SIGHUP."),
    ],
)
def test_what_was_done_is_whole(place: Path, name: str, code: int, words: str) -> None:
    started = run(place)
    started.send_signal(getattr(signal, name))
    _, err = started.communicate(timeout=60)
    assert started.returncode == code, err
    assert err.splitlines()[-1] == words
    assert "Stopped after" in err
    with av.open(str(place / "a_rcnet.mp4")) as container:
        frames = len(list(container.decode(video=0)))
    lines = (place / "a.jsonl").read_text().splitlines()[1:]
    assert [json.loads(line)["frame"] for line in lines] == list(range(frames))
    assert json.loads((place / "t.json").read_text())["frames"]["out"] <= frames
    assert 0 < frames < FRAMES
    names = {path.name for path in place.iterdir()} - {"__pycache__"}
    assert names == {"a.mp4", "slow.py", "a_rcnet.mp4", "a.jsonl", "t.json"}


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="these signals are POSIX's")
def test_what_nohup_ignores_stays_ignored(place: Path) -> None:
    started = run(place, "nohup")
    started.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert started.poll() is None
    started.send_signal(signal.SIGTERM)
    started.communicate(timeout=60)
    assert started.returncode == 143


def test_handlers_are_as_before() -> None:
    in_own_process(handlers_are_as_before)


def handlers_are_as_before() -> None:
    numbers = [signal.SIGINT, signal.SIGTERM]
    before = [signal.getsignal(number) for number in numbers]
    with between_frames() as check:
        check()
        os.kill(os.getpid(), signal.SIGTERM)
        assert [signal.getsignal(number) for number in numbers] == before
        with pytest.raises(Terminated, match="SIGTERM"):
            check()
    assert [signal.getsignal(number) for number in numbers] == before


def test_other_threads_are_left_alone() -> None:
    failures = []

    def work() -> None:
        try:
            with between_frames() as check:
                check()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures
