"""Anybody's estimator by its import path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import estimators
from rcnet_rt.cli import main
from rcnet_rt.errors import EstimatorError
from rcnet_rt.poses.skeletons import COCO17, CROWDPOSE14

IMAGE = np.zeros((48, 64, 3), np.uint8)

MODULE = """
import numpy as np
from rcnet_rt import Poses
from rcnet_rt.skeletons import COCO17, CROWDPOSE14


def one_person(image_bgr):
    return Poses(np.full((1, 17, 2), 5.0), [0.5], image_size=image_bgr.shape[1::-1])


class Crowd:
    name, family, skeleton = "crowd", "mine", CROWDPOSE14

    def estimate(self, image_bgr):
        return Poses(np.full((2, 14, 2), 5.0), [0.5, 0.4])


crowd = Crowd()


def make(people=2):
    return Crowd()


def fails():
    raise RuntimeError("no camera")


def wrong(image_bgr):
    return [1, 2]


number = 3


class Unfinished:
    def estimate(self, image_bgr):
        ...
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_vision.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("my_vision", None)


def test_a_function_of_a_image() -> None:
    estimator = estimators.load("my_vision:one_person", floor=0.05)
    assert (estimator.name, estimator.family) == ("my_vision:one_person", "generic")
    assert estimator.skeleton is COCO17
    assert estimator.estimate(IMAGE).image_size == (64, 48)


@pytest.mark.parametrize("name", ["Crowd", "crowd", "make"])
def test_classes_estimators_and_what_makes_them(name: str) -> None:
    estimator = estimators.load(f"my_vision:{name}", floor=0.05)
    assert (estimator.name, estimator.family) == ("crowd", "mine")
    assert estimator.skeleton is CROWDPOSE14
    assert len(estimator.estimate(IMAGE)) == 2


def test_families() -> None:
    assert estimators.family("my_vision:Crowd") == "mine"
    assert estimators.family("my_vision:make") == "generic"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothere:thing", "nothere cannot be imported: No module named 'nothere'"),
        ("my_vision:nothing", "the module my_vision has no nothing"),
        ("my_vision:number", "is a int; expected an estimator"),
        ("my_vision:fails", r"my_vision:fails\(\) failed: no camera"),
        ("my_vision:Unfinished", "without name, family, skeleton; expected an estimator"),
    ],
)
def test_what_is_none(path: str, message: str) -> None:
    with pytest.raises(EstimatorError, match=message):
        estimators.load(path, floor=0.05)


def test_a_function_that_returns_something_else() -> None:
    estimator = estimators.load("my_vision:wrong", floor=0.05)
    with pytest.raises(EstimatorError, match="returned list, expected Poses"):
        estimator.estimate(IMAGE)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(SystemExit) as stopped:
        main(["run", "a.png", "--model", "my_vision:one_person", "--no-video", "--json", "a.jsonl"])
    assert stopped.value.code == 0, capsys.readouterr().err
    assert '"estimator": "my_vision:one_person"' in (tmp_path / "a.jsonl").read_text()
