"""OpenCV is silent where it is asked to be, whichever module its version has for that."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from rcnet_rt.video.opencv_log import silence_opencv


def test_it_writes_nothing_inside(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken = str(tmp_path / "absent.png")
    with silence_opencv():
        assert cv2.imread(broken) is None
    assert capfd.readouterr().err == ""
    cv2.imread(broken)
    assert "absent.png" in capfd.readouterr().err


def test_opencv_4_8_has_the_functions_in_cv2(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = [3]
    monkeypatch.delattr(cv2.utils, "logging", raising=False)
    monkeypatch.setattr(cv2, "getLogLevel", lambda: levels[-1], raising=False)
    monkeypatch.setattr(cv2, "setLogLevel", levels.append, raising=False)
    with silence_opencv():
        assert levels == [3, 0]
    assert levels == [3, 0, 3]
