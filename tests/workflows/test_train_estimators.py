"""Training on several estimators at once, on real predictions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import DatasetError, WeightsError, load_weights, train
from rcnet_rt.training.config import PRESETS
from rcnet_rt.training.model_card import card
from rcnet_rt.workflows.training_result import TrainingResult
from tests.helpers.estimators import few_images

SHORT = replace(PRESETS["residual"], epochs=2)
NAMES = ["movenet", "yolov8n_320"]


@pytest.fixture(scope="module")
def files(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return few_images(shared_data, tmp_path_factory.mktemp("results"), NAMES, 150)


@pytest.fixture(scope="module")
def coco(shared_data: Path) -> Path:
    return shared_data / "coco-val"


@pytest.fixture(scope="module")
def both(
    coco: Path, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> TrainingResult:
    return train(coco, files, out=tmp_path_factory.mktemp("run") / "both", recipe=SHORT, folds=2)


@pytest.fixture(scope="module")
def without_movenet(
    coco: Path, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> TrainingResult:
    out = tmp_path_factory.mktemp("run") / "without"
    return train(coco, files, out=out, recipe=SHORT, folds=2, leave_out=["movenet"])


def test_each_estimator_is_judged_on_all_of_its_images(both: TrainingResult) -> None:
    assert list(both.estimators) == NAMES
    for name, estimator in both.estimators.items():
        figures = both.weights.training["estimators"][name]
        assert figures["trained"]
        assert figures["data"] == [f"{name}.json"]
        comparison = estimator.evaluation.all_images
        assert figures["figures"]["all"]["images"] == comparison.images
        assert comparison.images == len(estimator.held_out.images)
        assert set(figures["calibration_error"]) == {"raw", "refined", "calibrated"}
    with pytest.raises(DatasetError, match="2 estimators; take that of one"):
        _ = both.evaluation


def test_the_weights_hold_the_scores_of_both(both: TrainingResult) -> None:
    saved = load_weights(str(both.weights_file))
    scores = [
        entry["score"]
        for estimator in both.estimators.values()
        for path in estimator.files.results
        for entry in json.loads(path.read_text())
    ]
    assert saved.score_range == pytest.approx((min(scores), max(scores)))
    assert saved.score_convention.startswith("in [0, 1]")
    assert "figures" not in saved.training
    assert both.card_file.read_text(encoding="utf-8") == card(saved)


def test_the_card_has_a_row_an_estimator(
    both: TrainingResult, without_movenet: TrainingResult
) -> None:
    text = card(both.weights)
    assert "| trained on | movenet (movenet.json), yolov8n_320 (yolov8n_320.json) |" in text
    for name in NAMES:
        assert f"\n| {name} | in [0, 1]; joint scores in [0, 1]" in text
    assert "left out" not in text
    text = card(without_movenet.weights)
    assert "| trained on | yolov8n_320 (yolov8n_320.json) |" in text
    assert "\n| movenet, left out | " in text
    assert "networks that saw neither them nor these images" in text


def test_what_is_left_out_changes_nothing(
    coco: Path, files: dict[str, Path], without_movenet: TrainingResult, tmp_path: Path
) -> None:
    """It has no image of its own here, so the networks are those of a training without it."""
    alone = train(coco, files["yolov8n_320"], out=tmp_path / "run", recipe=SHORT, folds=2)
    left_out = without_movenet.estimators["movenet"]
    assert set(left_out.held_out.images) <= set(alone.held_out.images)
    for name, tensor in alone.weights.tensors.items():
        np.testing.assert_array_equal(tensor, without_movenet.weights.tensors[name])
    assert alone.weights.thresholds == without_movenet.weights.thresholds
    assert alone.weights.score_range == without_movenet.weights.score_range
    assert left_out.files.is_left_out
    assert left_out.evaluation.all_images.images == len(left_out.held_out.images)
    # Figures of the one estimator stand where they stood.
    assert alone.weights.training["figures"]["all"]["images"] == len(alone.held_out.images)
    assert "estimators" not in alone.weights.training


def test_the_order_of_the_names_does_not_matter(
    coco: Path, files: dict[str, Path], both: TrainingResult, tmp_path: Path
) -> None:
    turned = dict(reversed(files.items()))
    again = train(coco, turned, out=tmp_path / "run", recipe=SHORT, folds=2)
    assert again.weights_file.read_bytes() == both.weights_file.read_bytes()


def test_a_run_is_resumed_with_the_same_names_only(
    coco: Path, files: dict[str, Path], both: TrainingResult
) -> None:
    out = both.weights_file.parent
    before = both.weights_file.read_bytes()
    train(coco, files, out=out, recipe=SHORT, folds=2, resume=True)
    assert both.weights_file.read_bytes() == before
    other = {"singlepose": files["movenet"], "yolov8n_320": files["yolov8n_320"]}
    with pytest.raises(DatasetError, match="was started with other estimators;"):
        train(coco, other, out=out, recipe=SHORT, folds=2, resume=True)
    with pytest.raises(DatasetError, match="was started with other estimators;"):
        train(coco, files, out=out, recipe=SHORT, folds=2, resume=True, leave_out=["movenet"])
    with pytest.raises(DatasetError, match="was started with other"):
        train(coco, files["movenet"], out=out, recipe=SHORT, folds=2, resume=True)


def test_a_report_an_estimator(
    coco: Path, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rcnet_rt.report.page.encode", lambda figure: b"chart")
    monkeypatch.setattr("rcnet_rt.report.page.MAX_IMAGES", 0)
    out = tmp_path / "run"
    trained = train(coco, files, out=out, recipe=SHORT, val_fraction=0.4, report=True)
    assert trained.report_pages == {n: out / "report" / n / "index.html" for n in NAMES}
    texts = [page.read_text(encoding="utf-8") for page in trained.report_pages.values()]
    assert texts[0] != texts[1]


def test_what_cannot_be_is_told(coco: Path, files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(DatasetError, match="no predictions are of an estimator 'posenet'"):
        train(coco, files, out=out, leave_out=["posenet"])
    with pytest.raises(DatasetError, match="no predictions are of an estimator 'other'"):
        train(coco, files, out=out, augmentations={"other": files["movenet"]})
    with pytest.raises(DatasetError, match=r"name '../yolo' is no file name"):
        train(coco, {"../yolo": files["movenet"]}, out=out)
    with pytest.raises(DatasetError, match="every estimator is left out"):
        train(coco, files, out=out, leave_out=NAMES)
    with pytest.raises(WeightsError, match="workers must be at least 1, got 0"):
        train(coco, files, out=out, workers=0)
    assert not out.exists()
