"""Weights without labels: from images, and from results that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rcnet_rt import Refiner, adapt, estimators, load_weights
from rcnet_rt.datasets.augment import Augmentation
from rcnet_rt.datasets.results import read_results, write_results
from rcnet_rt.errors import DatasetError, EstimatorError, OutputError, WeightsError
from rcnet_rt.poses.frame import Image
from rcnet_rt.workflows.adapt import adapt_results
from rcnet_rt.workflows.evaluate import evaluate
from rcnet_rt.workflows.progress import Progress
from tests.helpers.estimators import few_images
from tests.helpers.red_boxes import RedBoxes, images_of_boxes, is_red, write_images_of_boxes

IMAGES = 60


def area_under_curve(scores: list[float], true: list[bool]) -> float:
    score, right = np.array(scores), np.array(true)
    return float((score[right][:, None] > score[~right]).mean())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(estimators, "load", lambda *_, **__: RedBoxes())
    return write_images_of_boxes(tmp_path / "images", IMAGES)


def test_poses_that_are_found_again_come_first(folder: Path, tmp_path: Path) -> None:
    steps: list[Progress] = []
    adapted = adapt(str(folder), "boxes", out=tmp_path / "mine.safetensors", progress=steps.append)
    assert (adapted.images, adapted.poses) == (IMAGES, 5 * IMAGES)
    assert [step.done for step in steps] == list(range(1, IMAGES + 1))
    refiner = Refiner(load_weights(str(tmp_path / "mine.safetensors")))
    raw: list[float] = []
    refined: list[float] = []
    true: list[bool] = []
    for image in images_of_boxes(IMAGES + 20)[IMAGES:]:  # not trained on
        poses = RedBoxes().estimate(image)
        raw += poses.scores.tolist()
        refined += refiner(poses).scores.tolist()
        true += is_red(image, poses)
    assert 0 <= min(refined) <= max(refined) <= 1
    assert area_under_curve(raw, true) < 0.65
    assert area_under_curve(refined, true) > 0.85
    threshold = refiner.weights.threshold("auto")
    kept = np.array(refined) >= threshold
    assert np.mean(np.array(true)[kept]) > 0.7


def test_the_record_and_the_card_say_that_there_were_no_labels(
    folder: Path, tmp_path: Path
) -> None:
    adapted = adapt([str(folder)], "boxes", out=tmp_path / "mine.safetensors", max_images=55)
    weights = load_weights(str(adapted.weights_file))
    assert weights.training["labels"] == "none"
    assert weights.training["image_count"] == 55
    assert set(weights.thresholds) == {"auto"}
    assert weights.baseline == "score_times_confidence"
    assert weights.joints is None
    card = adapted.card_file.read_text("utf-8")
    assert adapted.card_file == tmp_path / "mine.md"
    assert "Trained **without labels**" in card
    assert "red boxes, 4 augmentations of each image" in card
    with pytest.raises(WeightsError, match="or none"):
        weights.threshold("guaranteed")


def test_the_same_images_give_the_same_weights(folder: Path, tmp_path: Path) -> None:
    files = [tmp_path / "a" / "same.safetensors", tmp_path / "b" / "same.safetensors"]
    for file, workers in zip(files, (1, 2), strict=True):
        file.parent.mkdir()
        adapt(str(folder), "boxes", out=file, augmentations=1, workers=workers)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_fails_writes_nothing(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    class Failing(RedBoxes):
        def estimate(self, image_bgr: Image) -> Any:
            raise EstimatorError("it broke")

    def there() -> list[str]:
        return sorted(path.name for path in tmp_path.iterdir())

    before = there()
    with pytest.raises(DatasetError, match="at least 50 images"):
        adapt(str(folder / "0.png"), "boxes", out=tmp_path / "mine.safetensors")
    with pytest.raises(OutputError, match="safetensors"):
        adapt(str(folder), "boxes", out=tmp_path / "mine.json")
    with pytest.raises(EstimatorError, match="augmentations"):
        adapt(str(folder), "replay:poses.jsonl", out=tmp_path / "mine.safetensors")
    monkeypatch.setattr(estimators, "load", lambda *_, **__: Failing())
    with pytest.raises(EstimatorError, match="it broke"):
        adapt(str(folder), "boxes", out=tmp_path / "mine.safetensors")
    assert there() == before


@pytest.fixture(scope="module")
def predictions(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    return few_images(shared_data, folder, ["yolov8n_320"], 80)["yolov8n_320"]


def augmented(predictions: Path, shift: int = 0) -> Path:
    """Write the same poses, each moved the more the lower its score, as on an augmentation."""
    rng = np.random.default_rng(0)
    augmentation = Augmentation(0, (1.0, 1.0), (0.0, 0.0)).written()
    entries = []
    for entry in read_results(predictions):
        keypoints = np.array(entry["keypoints"]).reshape(17, 3)
        deviation = 20 * (1 - entry["score"]) * keypoints[:, :2].std()
        keypoints[:, :2] += rng.normal(0, deviation / 20, (17, 2))
        moved = {"keypoints": keypoints.ravel().tolist(), "image_id": entry["image_id"] + shift}
        entries.append({**entry, **moved, "copy": augmentation})
    file = predictions.with_name(f"augmented{shift}.json")
    write_results(file, entries)
    return file


def test_of_results_that_are_there(shared_data: Path, predictions: Path, tmp_path: Path) -> None:
    coco, out = shared_data / "coco-val", tmp_path / "mine.safetensors"
    adapted = adapt_results(coco, predictions, augmented(predictions), out=out)
    weights = load_weights(str(out))
    images = {entry["image_id"] for entry in read_results(predictions)}
    assert set(weights.training["images"]) == images
    assert adapted.images == len(images)
    assert weights.training["data"] == ["yolov8n_320.json", "augmented0.json"]
    assert weights.skeleton == "coco17"
    judged = evaluate(predictions, coco, weights)  # as other weights are
    assert judged.trained_on == images


def test_augmentations_of_other_images(
    shared_data: Path, predictions: Path, tmp_path: Path
) -> None:
    coco, out = shared_data / "coco-val", tmp_path / "mine.safetensors"
    with pytest.raises(DatasetError, match="none of the images of the predictions"):
        adapt_results(coco, predictions, augmented(predictions, 10**9), out=out)
    assert not out.exists()


def test_a_top_down_score_is_refused_and_a_mean_joint_score_is_not(
    shared_data: Path, tmp_path: Path
) -> None:
    files = few_images(shared_data, tmp_path, ["simplepose", "posenet"], 120)
    coco, out = shared_data / "coco-val", tmp_path / "mine.safetensors"
    with pytest.raises(DatasetError, match="of a top-down estimator"):
        adapt_results(coco, files["simplepose"], augmented(files["simplepose"]), out=out)
    assert not out.exists()
    adapted = adapt_results(coco, files["posenet"], augmented(files["posenet"]), out=out)
    assert adapted.weights.baseline == "score"


def test_scores_beyond_1_are_refused(shared_data: Path, predictions: Path, tmp_path: Path) -> None:
    many = tmp_path / "many.json"
    entries = read_results(predictions)
    write_results(many, [{**entry, "score": 17 * entry["score"]} for entry in entries])
    with pytest.raises(DatasetError, match=r"expects raw scores in \[0, 1\]"):
        adapt_results(
            shared_data / "coco-val", many, augmented(predictions), out=tmp_path / "a.safetensors"
        )
