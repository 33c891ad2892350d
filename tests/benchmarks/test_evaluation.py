"""The evaluation benchmark compares evaluators that agree."""

import json

import pytest

from benchmarks.speed import evaluation
from rcnet_rt.datasets.results import read_results, write_results


@pytest.fixture
def small(shared_data, tmp_path):
    """The real results of a few images."""
    (tmp_path / "predictions").mkdir()
    (tmp_path / "coco").symlink_to((shared_data / "coco").resolve())
    name = f"{evaluation.RESULTS}.json.gz"
    entries = read_results(shared_data / "predictions" / name)
    few = [entry for entry in entries if entry["image_id"] < 20_000]
    write_results(tmp_path / "predictions" / name, few)
    return tmp_path


def test_all_evaluators_are_compared(small, tmp_path, capsys):
    path = tmp_path / "figures.json"
    arguments = ["--data", str(small), "--calls", "2", "--json", str(path)]
    evaluation.main(arguments, standalone_mode=False)
    figures = json.loads(path.read_text("utf-8"))
    assert figures["poses"] > figures["images"] > 10
    assert figures["largest_difference_of_ap"] <= 1e-6
    rows = {row["evaluator"]: row["times_ours"] for row in figures["all"]}
    assert list(rows) == ["AveragePrecision", "faster-coco-eval", "pycocotools"]
    assert rows["AveragePrecision"] == 1


def test_an_evaluator_that_disagrees_is_an_error(small, monkeypatch):
    monkeypatch.setattr(evaluation, "_pycocotools", lambda content, entries: lambda: 0.5)
    with pytest.raises(AssertionError, match="disagree"):
        evaluation.measure(small)
