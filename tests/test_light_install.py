"""What works with few packages installed, with the same numbers; what is missing is named."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.jsonl import read
from rcnet_rt.datasets.results import poses_to_entries, write_results
from rcnet_rt.errors import PACKAGES
from rcnet_rt.poses.poses import Poses
from tests.helpers import light_job
from tests.helpers.clips import write_clip
from tests.helpers.environments import ROOT, few_packages, run_python
from tests.helpers.onnx_models import pose_model

LIBRARY = ("numpy", "onnx", "onnxruntime", "safetensors")
VIDEO = (*LIBRARY, "av", "click", "rich")  # and OpenCV, whose package has two names
RECORDED = ROOT / "rcnet_rt" / "demo_data" / "poses.jsonl.gz"
JOB = (light_job.__file__, str(RECORDED), "results.json", "out")
FILES = (RECORDED.name, "results.json")
VIDEO_JOB = ("-m", "rcnet_rt", "clip.mp4", "--model", "m.onnx", "--backend", "onnx")
BOX = [32, 32, 30, 40, 0.9]  # x, y, width, height, score
JOINT = [30, 33, 0.8]  # x, y, confidence


@pytest.fixture
def place(tmp_path: Path, random_poses: Poses) -> Path:
    """A folder with COCO results of recorded poses, a clip, and a network that finds a person."""
    frames = read(RECORDED)[1]
    entries = [e for f in frames for e in poses_to_entries(f.poses, image_id=f.index + 1)]
    write_results(tmp_path / "results.json", entries)
    (tmp_path / "out").mkdir()
    write_clip(tmp_path, random_poses, frames=3)
    pose_model(tmp_path / "m.onnx", np.array([*BOX, *JOINT * 17]).reshape(1, -1, 1))
    return tmp_path


def printed(command: subprocess.CompletedProcess[str]) -> str:
    assert command.returncode == 0, command.stderr
    return command.stdout


def run_here(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with everything that is installed here."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def scores_of_the_video(place: Path) -> list[float]:
    lines = [json.loads(line) for line in (place / "out.jsonl").read_text().splitlines()]
    return [pose["score"] for line in lines[1:] for pose in line["poses"]]


def test_the_library_needs_four_packages(place: Path) -> None:
    light = few_packages(place / "packages", LIBRARY)
    scores = printed(run_python(light, *JOB, folder=place))
    files = [(place / "out" / name).read_bytes() for name in FILES]
    assert len(scores.splitlines()) > 90
    assert scores == printed(run_here(*JOB, folder=place))
    assert files == [(place / "out" / name).read_bytes() for name in FILES]


def test_videos_need_four_more(place: Path) -> None:
    light = few_packages(place / "packages", (*VIDEO, "opencv-python"))
    command = (*VIDEO_JOB, "--json", "out.jsonl", "--out", "out.mp4")
    assert "3 frames" in printed(run_python(light, *command, folder=place))
    scores, video = scores_of_the_video(place), (place / "out.mp4").read_bytes()
    assert len(scores) == 3
    printed(run_here(*command, folder=place))
    assert scores == scores_of_the_video(place)
    assert video == (place / "out.mp4").read_bytes()


def test_results_are_refined_by_the_command_with_click_alone(place: Path) -> None:
    light = few_packages(place / "packages", (*LIBRARY, "click"))
    command = ("-m", "rcnet_rt", "refine", "results.json", "--out", "out/refined.json")
    assert "re-scored with generic (onnx)" in printed(run_python(light, *command, folder=place))


@pytest.mark.parametrize(
    ("packages", "code", "message"),
    [
        (LIBRARY, "from rcnet_rt import train", "Calls of rcnet_rt.train need the package torch"),
        (LIBRARY, "from rcnet_rt import attach", "Refined scores in ultralytics need .* torch"),
        (LIBRARY, "from rcnet_rt import process_video", "process_video need .* opencv-python"),
        (LIBRARY, "import rcnet_rt.integrations.supervision", "key points need .* supervision"),
        (("numpy", "onnx"), "import rcnet_rt; rcnet_rt.Refiner()", "files need .* safetensors"),
        (
            ("numpy", "safetensors"),
            "import rcnet_rt; rcnet_rt.Refiner()",
            "no backend is installed; the smallest one: pip install onnxruntime onnx",
        ),
    ],
)
def test_the_library_names_what_is_missing(
    packages: tuple[str, ...], code: str, message: str, tmp_path: Path
) -> None:
    done = run_python(few_packages(tmp_path / "packages", packages), "-c", code, folder=tmp_path)
    assert done.returncode == 1
    assert re.search(f"^rcnet_rt.errors.*{message}", done.stderr, re.MULTILINE), done.stderr


@pytest.mark.parametrize(
    ("packages", "command", "missing"),
    [
        (LIBRARY, "--help", "click"),
        ((*LIBRARY, "click"), "clip.mp4 --model m.onnx", "rich"),
        ((*LIBRARY, "click", "opencv-python", "rich"), "clip.mp4 --model m.onnx", "av"),
        (VIDEO, "clip.mp4 --model m.onnx", "opencv-python"),
        (VIDEO, "train --coco .", "torch"),
    ],
)
def test_a_command_names_what_is_missing(
    packages: tuple[str, ...], command: str, missing: str, place: Path
) -> None:
    light = few_packages(place / "packages", packages)
    done = run_python(light, "-m", "rcnet_rt", *command.split(), folder=place)
    sentence = f"need the package {missing}, which is not installed: pip install '{missing}'\n"
    assert done.returncode == 1
    assert re.fullmatch(rf"Error: [^\n]* {re.escape(sentence)}", done.stderr), done.stderr


def test_the_packages_of_the_default_installation_are_known() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    dependencies = text.partition("\ndependencies = [")[2].partition("\n]")[0]
    assert set(PACKAGES.values()) == set(re.findall(r'^ *"([\w-]+)', dependencies, re.MULTILINE))


@pytest.mark.network
def test_the_wheel_with_few_packages(place: Path) -> None:
    """The other tests link packages that are installed here; these are downloaded."""
    pip = ("-m", "pip", "--disable-pip-version-check")
    printed(run_here(*pip, "wheel", "--no-deps", "-w", str(place), str(ROOT), folder=place))
    printed(run_here("-m", "venv", "fresh", folder=place))
    python = place / "fresh" / ("Scripts" if os.name == "nt" else "bin") / "python"

    def run(*arguments: str) -> str:
        command = [str(python), *arguments]
        variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        return printed(
            subprocess.run(command, cwd=place, env=variables, capture_output=True, text=True)
        )

    run(*pip, "install", "--no-deps", *map(str, place.glob("*.whl")))
    run(*pip, "install", *LIBRARY)
    scores = run(*JOB).splitlines()
    for light, full in zip(scores, printed(run_here(*JOB, folder=place)).splitlines(), strict=True):
        np.testing.assert_allclose(json.loads(light), json.loads(full), rtol=0, atol=1e-6)
    run(*pip, "install", *VIDEO, "opencv-python-headless")
    run(*VIDEO_JOB, "--json", "out.jsonl")
    video = scores_of_the_video(place)
    printed(run_here(*VIDEO_JOB, "--json", "out.jsonl", folder=place))
    np.testing.assert_allclose(video, scores_of_the_video(place), rtol=0, atol=1e-6)
