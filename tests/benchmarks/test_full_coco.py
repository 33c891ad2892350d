"""The simulator of results, and the measuring of phases on a small folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies.full_coco import children, phases, simulator
from benchmarks.studies.full_coco.report import blocks
from benchmarks.studies.full_coco.simulator import Errors, simulate
from rcnet_rt.datasets.coco import GroundTruth, load_ground_truth
from rcnet_rt.datasets.results import poses_by_image, read_results, scores_of
from rcnet_rt.evaluation.compare import match_entries
from rcnet_rt.evaluation.metrics import pearson
from rcnet_rt.poses.skeletons import COCO17
from tests.helpers.synthetic_coco import make_content, write_dataset

NONE = Errors(missed=0, doubled=0, background=0, jitter=0, swapped=0, strayed=0)


@pytest.fixture
def truth(tmp_path: Path) -> GroundTruth:
    return load_ground_truth(write_dataset(tmp_path / "coco", make_content(images=60)))


def labeled(truth: GroundTruth) -> int:
    return sum(int(persons.visible.any(axis=1).sum()) for persons in truth.persons.values())


def test_without_errors_everybody_is_found_where_they_are(truth: GroundTruth) -> None:
    entries = simulate(truth, errors=NONE)
    assert len(entries) == labeled(truth)
    np.testing.assert_allclose(match_entries(truth, entries).target, 1, atol=1e-4)


@pytest.mark.parametrize(
    ("errors", "change"),
    [
        (Errors(**{**vars(NONE), "missed": 0.4}), -1),
        (Errors(**{**vars(NONE), "doubled": 0.4}), +1),
        (Errors(**{**vars(NONE), "background": 3}), +1),
    ],
)
def test_errors_change_how_many_there_are(truth: GroundTruth, errors: Errors, change: int) -> None:
    assert np.sign(len(simulate(truth, errors=errors)) - labeled(truth)) == change


@pytest.mark.parametrize("kind", ["jitter", "swapped", "strayed"])
def test_errors_make_poses_worse(truth: GroundTruth, kind: str) -> None:
    small = {**vars(NONE), "jitter": 0.01}
    before = match_entries(truth, simulate(truth, errors=Errors(**small))).target.mean()
    worse = Errors(
        **{**small, "strayed": 1, "jitter": 0.3} if kind == "strayed" else small | {kind: 0.5}
    )
    assert match_entries(truth, simulate(truth, errors=worse)).target.mean() < before - 0.02


def test_scores_know_a_little_of_the_fit(truth: GroundTruth) -> None:
    entries = simulate(truth)
    oks = match_entries(truth, entries).target
    assert 0.2 < pearson(scores_of(entries), oks) < 0.9


def test_the_seed_decides_and_the_results_read_back(truth: GroundTruth, tmp_path: Path) -> None:
    out = tmp_path / "simulated.json.gz"
    simulator.main(tmp_path / "coco", "val2017", out, "3")
    entries = read_results(out)
    assert entries == simulate(truth, seed=3)
    assert entries != simulate(truth, seed=4)
    assert [e["image_id"] for e in entries] == sorted(e["image_id"] for e in entries)
    for item in poses_by_image(entries, COCO17).values():
        assert item.poses.keypoint_scores is not None
        assert item.poses.boxes is not None


def test_phases_and_the_page(truth: GroundTruth, tmp_path: Path) -> None:
    results, out = tmp_path / "simulated.json", tmp_path / "phases.json"
    simulator.main(tmp_path / "coco", "val2017", results)
    phases.main(tmp_path / "coco", results, out)
    measured = json.loads(out.read_text())
    assert measured["sizes"]["people"] == labeled(truth)
    peaks = [phase["peak_gb"] for phase in measured["phases"]]
    assert peaks == sorted(peaks)
    about = {"cpu": "a CPU", "cores": 2, "memory_gb": 24, "torch_threads": 1, "load": 0.1}
    results = {"command": "x", "date": "y", "machine": about, "commands": [], **measured}
    text = "\n".join(blocks(results))
    assert "simulated" in text
    assert "No accuracy is\nclaimed" in text
    assert "| one epoch of training |" in text


def test_a_child_is_measured_and_its_failure_told(capfd: pytest.CaptureFixture[str]) -> None:
    cost = children.run("-c", "x = bytearray(50_000_000); print('hello')")
    assert cost.peak_gb >= 0.05
    assert capfd.readouterr() == ("", "hello\n")
    with pytest.raises(SystemExit, match="failed \\(3\\)"):
        children.run("-c", "raise SystemExit(3)")
