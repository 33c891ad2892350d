from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from rcnet_rt import estimators
from rcnet_rt.cli import main
from rcnet_rt.datasets.crowdpose import crowdpose
from rcnet_rt.datasets.results import read_results
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17, CROWDPOSE14
from rcnet_rt.rescoring.nms_consensus import CONSENSUS
from tests.helpers.crowdpose import crowdpose_folder
from tests.helpers.synthetic_coco import make_content, write_dataset


class OnePerson:
    """Finds one person; is interrupted at an image of its choice."""

    name, family, skeleton = "one person", "yolo-pose", COCO17

    def __init__(self, stop_after: int | None = None) -> None:
        self._left = stop_after

    def estimate(self, image_bgr: Image) -> Poses:
        if self._left is not None:
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
        return Poses(np.full((1, len(self.skeleton.keypoints), 2), 20.0), [0.5])


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    root = write_dataset(tmp_path / "coco", make_content())
    folder = root / "val2017"  # the other place where images may be
    folder.mkdir()
    for number in (1, 2, 3):
        cv2.imwrite(str(folder / f"{number:012}.jpg"), np.zeros((48, 64, 3), np.uint8))
    return root


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as stopped:
        main(["predict", *map(str, arguments)])
    return stopped.value.code


def test_an_interruption_says_how_to_go_on(
    coco: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out.json"
    command = ("--coco", coco, "--split", "val2017", "--model", "any", "--out", out)
    monkeypatch.setattr(estimators, "load", lambda *_, **__: OnePerson(stop_after=2))
    assert run(*command) == 130
    said = capsys.readouterr().err
    assert "3 images of val2017; 9 have no image here" in said
    assert f"2 images are done and kept in {out}.partial; the same command goes on" in said
    monkeypatch.setattr(estimators, "load", lambda *_, **__: OnePerson())
    assert run(*command) == 0
    captured = capsys.readouterr()
    assert "going on after 2" in captured.err
    assert captured.out == f"3 images predicted with any -> {out}\n"
    assert [entry["image_id"] for entry in read_results(out)] == [1, 2, 3]
    assert not Path(f"{out}.partial").exists()


def test_the_floor_reaches_the_estimator(
    coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict] = []

    def load(_: str, **options: object) -> OnePerson:
        asked.append(options)
        return OnePerson()

    monkeypatch.setattr(estimators, "load", load)
    common = ("--coco", coco, "--model", "any", "--limit", 1)
    assert run(*common, "--out", tmp_path / "a.json") == 0
    chosen = ("--floor", 0.2, "--device", "cpu", "--imgsz", 320, "--half")
    assert run(*common, "--out", tmp_path / "b.json", *chosen) == 0
    usual = {"floor": 0.001, "device": "auto", "imgsz": None, "half": False}
    wanted = [usual, {"floor": 0.2, "device": "cpu", "imgsz": (320, 320), "half": True}]
    assert [{name: options[name] for name in usual} for options in asked] == wanted
    assert len(read_results(tmp_path / "a.json")) == 1


class WithCandidates(OnePerson):
    def estimate(self, image_bgr: Image) -> Poses:
        poses = super().estimate(image_bgr)
        return replace(
            poses, boxes=[[0, 0, 30, 40]], consensus=np.full((len(poses), len(CONSENSUS)), 0.5)
        )


@pytest.mark.filterwarnings("ignore::rcnet_rt.errors.PosesWarning")  # poses are made up
def test_signals_are_kept_where_they_are_asked_for(
    coco: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(estimators, "load", lambda *_, **__: WithCandidates())
    common = ("--coco", coco, "--model", "any", "--limit", 1)

    def entry(name: str, *more: object) -> dict:
        assert run(*common, "--out", tmp_path / name, *more) == 0
        return read_results(tmp_path / name)[0]

    plain = entry("a.json")
    both = entry("b.json", "--candidates", "--recheck", 2)
    assert both.pop("consensus") == [0.5] * len(CONSENSUS)
    assert 0 <= both.pop("agreement") <= 1
    assert both == plain
    assert "recheck: 1 crops in " in capsys.readouterr().err
    monkeypatch.setattr(estimators, "load", lambda *_, **__: OnePerson())
    assert "consensus" not in entry("c.json", "--candidates")
    assert "shows no candidates" in capsys.readouterr().err
    assert "embedding" not in entry("d.json", "--embeddings")
    assert "shows no features" in capsys.readouterr().err


def test_embeddings_are_kept_where_they_are_asked_for(
    coco: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Seeing(OnePerson):
        seen = False

        def show_embeddings(self) -> None:
            self.seen = True

        def estimate(self, image_bgr: Image) -> Poses:
            poses = super().estimate(image_bgr)
            return replace(poses, embeddings=[[0.5, 2.0]]) if self.seen else poses

    monkeypatch.setattr(estimators, "load", lambda *_, **__: Seeing())
    common = ("--coco", coco, "--model", "any", "--limit", 1)
    assert run(*common, "--out", tmp_path / "a.json") == 0
    assert run(*common, "--out", tmp_path / "b.json", "--embeddings") == 0
    assert "shows no" not in capsys.readouterr().err
    (plain,), (seen,) = (read_results(tmp_path / name) for name in ("a.json", "b.json"))
    assert seen.pop("embedding") == [0.5, 2.0]
    assert seen == plain


def test_faults_are_one_sentence(
    coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def sentence(*arguments: object) -> str:
        assert run(*arguments) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err.splitlines()[-1]

    out = tmp_path / "out.json"
    assert "create" in sentence("--coco", coco, "--out", tmp_path / "nowhere" / "out.json")
    assert "has no split 'test'" in sentence("--coco", coco, "--split", "test", "--out", out)
    assert "no annotations in" in sentence("--coco", tmp_path, "--out", out)
    assert "does not exist" in sentence("--coco", coco, "--model", "absent.pt", "--out", out)
    assert [path.name for path in tmp_path.iterdir()] == ["coco"]


def test_wrong_usage(coco: Path, tmp_path: Path) -> None:
    assert run("--coco", coco) == 2
    assert run("--coco", coco, "--out", tmp_path / "out.json", "--floor", 2) == 2


def test_crowdpose_with_a_model_of_its_joints(
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, _ = crowdpose_folder(shared_data, tmp_path, every=500)
    (root / "images").mkdir()
    for image in crowdpose(root).ground_truth().images.values():
        cv2.imwrite(str(root / "images" / image.file_name), np.zeros((48, 64, 3), np.uint8))
    estimator = OnePerson()
    monkeypatch.setattr(estimators, "load", lambda *_, **__: estimator)
    command = ("--crowdpose", root, "--model", "any", "--out", tmp_path / "out.json")
    assert run(*command) == 1
    assert "gives coco17 poses, the dataset has crowdpose14" in capsys.readouterr().err
    estimator.skeleton = CROWDPOSE14
    assert run(*command) == 0
    entries = read_results(tmp_path / "out.json")
    assert [len(entry["keypoints"]) for entry in entries] == [3 * 14] * 4
