"""The main job without any network: it works, and nothing so much as tries to reach one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import privacy
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter, read_lines
from rcnet_rt.poses.poses import Poses
from rcnet_rt.video.sink import VideoSink

FRAMES = 3
# What Python sees of an attempt, in the child and in the children it forks.
WATCH = """
import os, sys
log = os.open(os.environ["ATTEMPTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
watched = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
def watch(event, arguments):
    if event in watched:
        os.write(log, f"{event} {arguments}\\n".encode())
sys.addaudithook(watch)
"""
# What the kernel sees of it, native libraries' too.
SENDING = re.compile(r"(?:connect|sendto|sendmsg|sendmmsg)\(.*sa_family=AF_INET")
# These would keep the libraries quiet by themselves.
HUSHING = (
    *privacy.TELEMETRY_SWITCHES,
    "CI",
    "TF_BUILD",
    "JENKINS_URL",
    "GITHUB_ACTIONS",
    "DO_NOT_TRACK",
)


@cache
def works(*command: str) -> bool:
    """Return whether a program is here and may do what it is for."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "true"], capture_output=True).returncode == 0


@pytest.fixture
def place(tmp_path: Path, random_poses: Poses) -> Path:
    """A folder with a clip, poses recorded for it, and an empty home."""
    with VideoSink(tmp_path / "clip.mp4", (640, 480), Fraction(10), Fraction(1, 10)) as sink:
        for index in range(FRAMES):
            sink.write(np.full((480, 640, 3), 20 * index, np.uint8), Fraction(index, 10))
    header = Header("clip.mp4", "recorded", "none", "coco17", 0.25, "yolo-pose", (640, 480))
    with JsonLinesWriter(tmp_path / "poses.jsonl", header) as writer:
        for index in range(FRAMES):
            writer.write(index, index / 10, random_poses, random_poses.scores > 0)
    (tmp_path / "home").mkdir()
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    return tmp_path


def attempts(place: Path, model: str, **more: str) -> list[str]:
    """Run the main job where there is no network; return what it tried to reach."""
    hushing = (*HUSHING, "PYTEST_CURRENT_TEST", "YOLO_CONFIG_DIR")
    environment = {name: value for name, value in os.environ.items() if name not in hushing}
    path = os.pathsep.join([str(place), str(Path(__file__).resolve().parents[1])])
    told = {"PYTHONPATH": path, "HOME": str(place / "home"), "ATTEMPTS": str(place / "attempts")}
    command = ["unshare", "-n", sys.executable, "-m", "rcnet_rt", "clip.mp4", "--model", model]
    if works("strace", "-f"):
        command = ["strace", "-f", "-e", "trace=network", "-o", "calls", *command]
    done = subprocess.run(
        [*command, "--json", "out.jsonl"],
        cwd=place,
        env={**environment, **told, **more},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(read_lines(place / "out.jsonl"))) == FRAMES
    calls = place / "calls"
    seen = (place / "attempts").read_text().splitlines()
    return seen + (SENDING.findall(calls.read_text()) if calls.exists() else [])


@pytest.fixture
def openvino_model(shared_data: Path) -> str:
    pytest.importorskip("openvino")
    folder = shared_data / "models" / "yolov8n-pose_int8_openvino_model"
    if not folder.is_dir():
        pytest.skip("the OpenVINO model is not here")
    return str(folder)


no_namespaces = pytest.mark.skipif(
    not works("unshare", "-n"), reason="network namespaces are not permitted here"
)


@no_namespaces
def test_a_replay_reaches_for_nothing(place: Path) -> None:
    assert attempts(place, "replay:poses.jsonl") == []
    assert not list((place / "home").iterdir())


@no_namespaces
def test_a_model_reaches_for_nothing(place: Path, openvino_model: str) -> None:
    assert attempts(place, openvino_model) == []
    assert not [path.name for path in (place / "home").rglob("*") if path.is_file()]


@no_namespaces
@pytest.mark.slow
def test_attempts_are_seen_where_reports_are_left_on(place: Path, openvino_model: str) -> None:
    assert attempts(place, openvino_model, RCNET_RT_TELEMETRY="1")


def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in privacy.TELEMETRY_SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("YOLO_OFFLINE", "false")
    privacy.disable_telemetry()
    assert os.environ["YOLO_OFFLINE"] == "false"
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_switch_leaves_everything_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in privacy.TELEMETRY_SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RCNET_RT_TELEMETRY", "1")
    privacy.disable_telemetry()
    assert not privacy.TELEMETRY_SWITCHES.keys() & os.environ.keys()
