from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from rcnet_rt import DatasetError, OutputError, evaluate
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.rescoring.weights import baseline
from rcnet_rt.workflows.evaluate import evaluation_json
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset

BASELINE = "formula:score_times_confidence"


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "coco", make_content())


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(make_results(make_content())))
    return path


def test_figures_before_and_after(
    coco: Path, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    found = evaluate(results, coco, BASELINE, json=figures)
    assert (found.weights.name, found.backend) == (BASELINE, "numpy")
    assert (found.trained_on, found.unseen, found.thresholds) == (frozenset(), None, ())
    assert found.images == found.evaluation.all_images.images
    assert found.images_left_out == 0
    record = json.loads(figures.read_text())
    assert record["all_images"] == evaluation_json(found.evaluation)["all_images"]
    assert capsys.readouterr() == ("", "")
    with pytest.raises(FrozenInstanceError):
        found.images = 0  # type: ignore[misc]
    again = evaluate(str(results), Dataset(coco), baseline("score_times_confidence"))
    # By their texts: from Python 3.13 on a dataclass with a NaN is unequal to itself.
    assert repr(again.evaluation) == repr(found.evaluation)


def test_images_that_were_trained_on_are_set_apart(coco: Path, results: Path) -> None:
    images = sorted({entry["image_id"] for entry in make_results(make_content())})
    weights = replace(baseline("score"), training={"images": [*images[:3], 10**9]})
    found = evaluate(results, coco, weights, min_recall=0.1)
    assert found.trained_on == set(images[:3])
    assert found.unseen is not None
    assert found.unseen.all_images.images == found.images - 3
    assert {result.images for result in found.thresholds} == {found.images - 3}


def test_an_assurance_gives_guarantees(coco: Path, results: Path) -> None:
    found = evaluate(results, coco, BASELINE, max_fp_per_image=3, assurance=0.8)
    for result in found.thresholds:
        assert result.guarantee is not None
        assert result.guarantee.point is not None
        assert result.guarantee.images == result.images
    for wrong in (0.0, 1.0, 95.0):
        with pytest.raises(DatasetError, match=r"assurance must be in \(0, 1\), got"):
            evaluate(results, coco, BASELINE, min_recall=0.5, assurance=wrong)


def test_thresholds_meet_their_requirements(coco: Path, results: Path) -> None:
    found = evaluate(results, coco, BASELINE, min_precision=0.5, max_fp_per_image=0.5, at_oks=0.75)
    assert [str(result.requirement) for result in found.thresholds[::2]] == [
        "precision ≥ 0.5",
        "false positives per image ≤ 0.5",
    ]
    assert [result.scores for result in found.thresholds] == ["raw", "refined"] * 2
    for result in found.thresholds:
        assert result.requirement.at_oks == 0.75
    for result in found.thresholds[2:]:
        assert result.point is not None
        assert result.point.false_positives <= 0.5 * result.images
    (raw, _) = evaluate(results, coco, BASELINE, min_recall=1, at_oks=0.99).thresholds
    assert raw.point is None
    assert raw.sentence.startswith("No threshold of the raw scores gives recall ≥ 1: the best is ")


def test_a_report(
    coco: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rcnet_rt.report.page.encode", lambda figure: b"chart")
    monkeypatch.setattr("rcnet_rt.report.page.MAX_IMAGES", 0)
    evaluate(results, coco, BASELINE, report=tmp_path / "report")
    assert "results.json" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


def test_outputs_are_checked_before_the_work(coco: Path, results: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="create"):
        evaluate("not read", coco, BASELINE, json=tmp_path / "nowhere" / "figures.json")
    with pytest.raises(OutputError, match="is a file"):
        evaluate("not read", coco, BASELINE, report=results)
    results.write_text("[]")
    with pytest.raises(DatasetError, match="holds no poses"):
        evaluate(results, coco, BASELINE)
