from __future__ import annotations

import json
from pathlib import Path

import pytest

from rcnet_rt.cli import main
from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.evaluation.labeled_results import LabeledResults
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    content = make_content()
    root = write_dataset(tmp_path / "coco", content)
    results = tmp_path / "results.json"
    results.write_text(json.dumps(make_results(content)))
    return [
        "eval",
        "--coco",
        str(root),
        str(results),
        "--weights",
        "formula:score_times_confidence",
    ]


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments)])
    return stopped.value.code


def test_the_threshold_and_what_it_costs(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    requirements = ("--min-precision", 0.5, "--min-recall", 0.4, "--max-fp-per-image", 0.5)
    assert run(*command, *requirements, "--json", figures) == 0
    said = capsys.readouterr().out
    assert "thresholds over all images, at OKS 0.5" in said
    assert "Chosen on these very images" in said
    found = json.loads(figures.read_text())["thresholds"]
    assert [(item["demand"], item["scores"]) for item in found] == [
        (requirement, scores)
        for requirement in ("precision", "recall", "false positives per image")
        for scores in ("raw", "refined")
    ]
    content = make_content()
    data = LabeledResults(
        load_ground_truth(write_dataset(tmp_path / "c", content)), make_results(content)
    )
    counted = data.match.weight > 0
    scores, right = data.scores[counted], data.match.target[counted] >= 0.5
    for item in found[::2]:
        point = item["point"]
        kept = scores >= point["threshold"]
        assert point["kept"] == kept.sum()
        assert point["precision"] == pytest.approx(right[kept].mean())
        assert point["false_positives"] == (kept & ~right).sum()
        row = next(line for line in said.splitlines() if f"{point['threshold']:.4f}" in line)
        assert f"{point['precision']:.3f}" in row
    assert found[0]["point"]["precision"] >= 0.5
    assert found[2]["point"]["recall"] >= 0.4
    assert found[4]["point"]["false_positives_per_image"] <= 0.5


def test_what_cannot_be_reached_is_said_with_the_best_there_is(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    assert run(*command, "--min-recall", 1, "--at-oks", 0.9, "--json", figures) == 0
    said = " ".join(capsys.readouterr().out.split())
    for item in json.loads(figures.read_text())["thresholds"]:
        assert item["point"] is None
        best = item["nearest"]
        assert (
            f"No threshold of the {item['scores']} scores gives recall ≥ 1: the best is "
            f"{best['recall']:.3f}, at {best['threshold']:.4f}." in said
        )
    assert "at OKS 0.9" in said


def test_assured_thresholds_and_what_it_would_take(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    requirements = ("--min-precision", 0.95, "--max-fp-per-image", 3, "--assurance", 0.8)
    assert run(*command, *requirements, "--json", figures) == 0
    said = " ".join(capsys.readouterr().out.split())
    for item in json.loads(figures.read_text())["thresholds"]:
        guarantee = item["guarantee"]
        assert (guarantee["assurance"], guarantee["images"]) == (0.8, len(make_content()["images"]))
        if item["demand"] == "precision":
            assert guarantee["point"] is None
            assert "images cannot assure precision ≥ 0.95 with probability 0.8" in said
        else:
            assert guarantee["point"]["threshold"] >= item["point"]["threshold"]
            assert guarantee["images_needed"] is None
            assert "false positives per image ≤ 3, assured 0.8" in said
    assert "Assured ones keep their figure on new images from the same source." in said


def test_wrong_use(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*command, "--at-oks", 0.75) == 2
    assert "--at-oks needs --min-precision" in capsys.readouterr().err
    assert run(*command, "--assurance", 0.9) == 2
    assert "--assurance needs --min-precision" in capsys.readouterr().err
    assert run(*command, "--min-precision", 0.9, "--assurance", 1) == 2
    assert "not in the range" in capsys.readouterr().err
    for wrong in (("--min-precision", 0), ("--min-recall", 1.2), ("--max-fp-per-image", -1)):
        assert run(*command, *wrong) == 2
        assert "not in the range" in capsys.readouterr().err
