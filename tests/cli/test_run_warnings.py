"""`run` on real videos emits no Python warning, and takes names that are not UTF-8."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(place: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-W", "always", "-m", "rcnet_rt", *arguments],
        cwd=place,
        env={**os.environ, **variables},
        capture_output=True,
    )


@pytest.mark.parametrize("name", ["people", pytest.param("sports", marks=pytest.mark.slow)])
def test_real_videos_give_no_warning(shared_data: Path, tmp_path: Path, name: str) -> None:
    pytest.importorskip("openvino")
    model = shared_data / "models" / "yolov8n-pose_int8_openvino_model"
    video = shared_data / "videos" / f"{name}.mp4"
    done = run(tmp_path, str(video), "--model", str(model))
    assert done.returncode == 0, done.stderr
    assert b"Warning" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="file systems elsewhere refuse such names")
@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_names_that_are_not_utf_8(tmp_path: Path, locale: dict[str, str]) -> None:
    image = b"P6 2 2 255\n" + bytes(12)
    import cv2
    import numpy as np

    png = cv2.imencode(".png", cv2.imdecode(np.frombuffer(image, np.uint8), 1))[1].tobytes()
    (tmp_path / "in").mkdir()
    for name in (b"a\xff.png", "\u00e4.png".encode(), b"b.png"):
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path / "in"), name))).write_bytes(png)
    (tmp_path / "none.py").write_text(
        "from rcnet_rt import Poses\ndef model(image):\n    return Poses.empty(17)\n"
    )
    options = (
        "--model",
        "none:model",
        "--weights",
        "none",
        "--out",
        "out",
        "--telemetry",
        "t.json",
    )
    done = run(tmp_path, "in", *options, PYTHONCOERCECLOCALE="0", **locale)
    assert done.returncode == 0, done.stderr
    assert len(os.listdir(tmp_path / "out")) == 3
