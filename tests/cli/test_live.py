"""`run` as a process of its own: live streams, full disks, interrupts, windows."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter, read_lines
from rcnet_rt.poses.poses import Poses
from rcnet_rt.video.sink import VideoSink
from tests.helpers.stream_server import clip, serving, stream

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and limits differ")

PATIENCE = 300  # seconds, on a busy machine; only what hangs takes them
PROGRAM = """
import sys
from rcnet_rt.video import live, sandbox
live.SHORTEST_WAIT = 0.05
impatient = "from rcnet_rt.video import stream; stream.SILENCE_SECONDS = 2.0; from"
sandbox.PROGRAM = sandbox.PROGRAM.replace("from", impatient, 1)
{more}
from rcnet_rt.cli import main
main()
"""
# A model that needs 50 ms for an image, and finds one and the same person.
SLOW = """
import time
import numpy as np
from rcnet_rt.poses import Poses
from rcnet_rt.skeletons import COCO17

class Slow:
    name, family, skeleton = "slow", "yolo-pose", COCO17

    def estimate(self, image_bgr):
        time.sleep(0.05)
        joints = np.linspace(5, 50, 34).reshape(1, 17, 2)
        return Poses(joints, [0.8], keypoint_scores=np.ones((1, 17)), image_size=(96, 64))

model = Slow()
"""
LIMIT = """
import resource, signal
resource.setrlimit(resource.RLIMIT_FSIZE, ({}, -1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
"""
# Ctrl-C while the slow model is at its 30th image.
PRESSED = """
import itertools, os, signal, slow_model
calls, really = itertools.count(1), slow_model.Slow.estimate
def estimate(self, image):
    if next(calls) == 30:
        os.kill(os.getpid(), signal.SIGINT)
    return really(self, image)
slow_model.Slow.estimate = estimate
"""
# Says by a file that the poses of a frame were written.
TELLING = """
from rcnet_rt.datasets.jsonl import JsonLinesWriter
really = JsonLinesWriter.write
def write(*arguments):
    really(*arguments)
    open("written", "w").close()
JsonLinesWriter.write = write
"""
ALWAYS = ("--weights", "none", "--json", "a.jsonl", "--telemetry", "t.json")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the program in a folder of its own, where a slow model lies, too."""
    (tmp_path / "slow_model.py").write_text(SLOW)
    running: list[subprocess.Popen[str]] = []

    def go(*arguments: str, more: str = "", **environment: str) -> subprocess.Popen[str]:
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join([root, str(tmp_path)])
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(more=more), *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield go
    for process in running:
        process.kill()
        process.communicate()


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def events(path: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if "event" in line]


def test_a_stream_that_stalls_and_comes_back_faster_than_the_model(
    start: Start, tmp_path: Path
) -> None:
    visits = [stream(clip(25), seconds=1, stall=True), None, stream(clip(2000), seconds=20)]
    with serving(visits, login=True) as (url, _):
        secret = url.replace("http://", "http://me:hush@") + "?key=hush"
        command = (secret, "--model", "slow_model:model", "--realtime", "--max-frames", "40")
        out, err = start(*command, *ALWAYS).communicate(timeout=PATIENCE)
    assert "40 frames" in out, err
    (gap,) = events(tmp_path / "a.jsonl")
    assert gap["event"] == "gap"
    assert "frame" not in gap
    assert gap["reason"] == f"{url} was lost (nothing came in time)"
    lines = list(read_lines(tmp_path / "a.jsonl"))
    indices, times = [line["frame"] for line in lines], [line["time"] for line in lines]
    assert indices == sorted(set(indices))
    assert times == sorted(times)
    assert frames_of(tmp_path / "live_rcnet.mp4") == len(lines) == 40
    figures = json.loads((tmp_path / "t.json").read_text())
    assert (figures["gaps"], figures["reconnects"]) == (1, 1)
    assert figures["frames"]["dropped"] > 0
    assert "live: " in out
    assert "trying again" in err
    for text in (out, err, (tmp_path / "a.jsonl").read_text(), str(list(tmp_path.iterdir()))):
        assert "hush" not in text


def test_without_realtime_no_frame_is_lost(start: Start, tmp_path: Path) -> None:
    with serving([stream(clip(30))]) as (url, _):
        out, err = start(url, "--model", "slow_model:model", *ALWAYS).communicate(timeout=PATIENCE)
    assert "30 frames" in out, err
    assert [line["frame"] for line in read_lines(tmp_path / "a.jsonl")] == list(range(30))
    assert frames_of(tmp_path / "live_rcnet.mp4") == 30
    assert err == ""


def test_an_interrupt_while_a_stream_is_silent(start: Start, tmp_path: Path) -> None:
    with serving([stream(clip(30), stall=True)]) as (url, _):
        process = start(url, "--model", "slow_model:model", "--realtime", *ALWAYS, more=TELLING)
        wait_for(tmp_path / "written")
        time.sleep(0.5)  # all that was sent is read; were it not, the same would hold
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "Interrupted."
    written = frames_of(tmp_path / "live_rcnet.mp4")
    assert len(list(read_lines(tmp_path / "a.jsonl"))) == written > 0
    assert f"Stopped after {written} frames" in err
    assert not list(tmp_path.glob(".*"))


@pytest.fixture
def long_video(tmp_path: Path, random_poses: Poses) -> Path:
    """A noisy video with poses for each of its 200 frames; we replay them."""
    noise = np.random.default_rng(0).integers(0, 255, (120, 320, 3), np.uint8)
    with VideoSink(tmp_path / "long.mp4", (160, 120), Fraction(30), Fraction(1, 30)) as sink:
        for index in range(200):
            sink.write(noise[:, index % 160 :][:, :160], Fraction(index, 30))
    header = Header("long.mp4", "recorded", "none", "coco17", 0.25, "yolo-pose", (160, 120))
    random_poses = replace(random_poses, image_size=(160, 120))
    with JsonLinesWriter(tmp_path / "poses.jsonl", header) as writer:
        for index in range(200):
            writer.write(index, index / 30, random_poses, random_poses.scores > 0)
    return tmp_path / "long.mp4"


def test_an_interrupt_leaves_files_that_can_be_read(
    start: Start, tmp_path: Path, long_video: Path
) -> None:
    command = ("long.mp4", "--model", "slow_model:model", "--weights=none", "--json=a.jsonl")
    process = start(*command, more=PRESSED)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in err
    written = frames_of(tmp_path / "long_rcnet.mp4")
    assert 0 < written < 200
    assert len(list(read_lines(tmp_path / "a.jsonl"))) == written
    assert f"Stopped after {written} frames" in err
    assert not list(tmp_path.glob(".*"))


def test_a_disk_that_fills_up_under_the_video(
    start: Start, tmp_path: Path, long_video: Path
) -> None:
    """Files may not grow beyond 60 kB: the video fails, the poses until then are there."""
    command = ("long.mp4", "--model", "replay:poses.jsonl", "--weights=none", "--json=a.jsonl.gz")
    process = start(*command, more=LIMIT.format(60_000))
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "Error: long_rcnet.mp4 cannot be written (File too large)" in err
    assert "Traceback" not in err
    lines = list(read_lines(tmp_path / "a.jsonl.gz"))
    assert 0 < len(lines) < 200
    assert [line["frame"] for line in lines] == list(range(len(lines)))
    assert not (tmp_path / "long_rcnet.mp4").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_disk_that_is_full_for_the_poses(start: Start, tmp_path: Path, long_video: Path) -> None:
    """Files may not grow beyond 100 kB: whole lines until then are kept, none is cut off."""
    command = ("long.mp4", "--model", "replay:poses.jsonl", "--weights=none", "--no-video")
    process = start(*command, "--json=a.jsonl", more=LIMIT.format(100_000))
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "a.jsonl cannot be written (File too large)" in err
    lines = list(read_lines(tmp_path / "a.jsonl"))
    assert [line["frame"] for line in lines] == list(range(len(lines)))
    assert 90_000 < (tmp_path / "a.jsonl").stat().st_size <= 100_000
    assert not list(tmp_path.glob(".*"))


def test_show_without_a_display_is_a_sentence(
    start: Start, tmp_path: Path, long_video: Path
) -> None:
    nowhere = {"DISPLAY": "", "WAYLAND_DISPLAY": ""}
    process = start("long.mp4", "--model", "replay:poses.jsonl", "--show", **nowhere)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert err.startswith("Error: --show needs a display")
    process = start("long.mp4", "--model", "replay:poses.jsonl", "--show", DISPLAY=":998")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert err.startswith("Error: --show cannot open a window")
    assert err.count("\n") == 1
    assert not (tmp_path / "long_rcnet.mp4").exists()


@pytest.fixture
def display() -> Iterator[str]:
    """The name of a display that nobody sees."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed: apt-get install xvfb")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    if not number:
        pytest.skip("Xvfb does not start here")
    yield f":{number}"
    server.terminate()
    server.wait(10)


# Keys as if typed once six images were shown: r, r, space, space, and q.
KEYS = """
import cv2
shown, typed = [], iter([114, -1, 114, -1, 32, -1, -1, 32, -1, 113])
really, show = cv2.waitKey, cv2.imshow
cv2.imshow = lambda name, image: shown.append(show(name, image))
cv2.waitKey = lambda delay: really(1) and (next(typed) if len(shown) > 5 else -1)
"""


def test_the_window(start: Start, tmp_path: Path, long_video: Path, display: str) -> None:
    command = ("long.mp4", "--model", "replay:poses.jsonl", "--show", *ALWAYS)
    process = start(*command, more=KEYS, DISPLAY=display)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    written = frames_of(tmp_path / "long_rcnet.mp4")
    assert 0 < written < 200
    assert f"{written} frames" in out
    assert len(list(read_lines(tmp_path / "a.jsonl"))) == written


def test_realtime_is_for_what_does_not_wait(start: Start, tmp_path: Path, long_video: Path) -> None:
    process = start("long.mp4", "--model", "replay:poses.jsonl", "--realtime")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "a file waits" in err
