from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.coco import GroundTruth, load_ground_truth
from rcnet_rt.datasets.results import read_results, scores_of, with_scores
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.average_precision import AveragePrecision, Metrics
from rcnet_rt.evaluation.compare import oracle_scores
from tests.helpers.synthetic_coco import (
    make_content,
    make_results,
    pycocotools_stats,
    read_content,
    write_dataset,
)

FILES = {
    "lightweight-openpose_val2017": "val2017",
    "yolov8n-pose_val2017": "val2017",
    "yolov8n-pose_train2017": "train2017",
}


def values(metrics: Metrics) -> tuple[float, ...]:
    return dataclasses.astuple(metrics)


@pytest.fixture
def content() -> dict:
    return make_content()


@pytest.fixture
def truth(tmp_path: Path, content: dict) -> GroundTruth:
    return load_ground_truth(write_dataset(tmp_path, content))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("boxes", [True, False])
def test_equals_pycocotools(tmp_path: Path, seed: int, boxes: bool) -> None:
    content = make_content(seed, images=20)
    entries = make_results(content, seed, boxes)
    truth = load_ground_truth(write_dataset(tmp_path, content))
    judge = AveragePrecision(truth, entries)
    rng = np.random.default_rng(seed)
    for scores in (
        scores_of(entries),  # many ties
        rng.normal(size=len(entries)),
        np.ones(len(entries)),
        oracle_scores(truth, entries),
    ):
        rescored = with_scores(entries, scores)
        for images in (judge.images, judge.complete, {4, 7}):
            expected = pycocotools_stats(content, rescored, images)
            np.testing.assert_allclose(values(judge.evaluate(scores, images)), expected, atol=1e-9)
            assert judge.ap(scores, images) == pytest.approx(expected[0], abs=1e-9, nan_ok=True)


def test_images_without_poses_count_when_asked_for(truth: GroundTruth, content: dict) -> None:
    entries = [entry for entry in make_results(content) if entry["image_id"] < 6]
    judge = AveragePrecision(truth, entries, images=truth.images)
    expected = pycocotools_stats(content, entries, truth.images)
    np.testing.assert_allclose(values(judge.evaluate(scores_of(entries))), expected, atol=1e-9)


def test_images_without_anybody_have_no_ap(truth: GroundTruth, content: dict) -> None:
    judge = AveragePrecision(truth, make_results(content))
    assert np.isnan(values(judge.evaluate(np.ones(len(make_results(content))), [1]))).all()


def test_other_categories_and_unknown_images_are_left_out(
    truth: GroundTruth, content: dict
) -> None:
    entries = make_results(content)
    strangers = [
        {**entries[0], "category_id": 2, "score": 9.0},
        {**entries[0], "image_id": 10**9, "score": 9.0},
    ]
    more = [*entries, *strangers]
    expected = AveragePrecision(truth, entries).evaluate(scores_of(entries))
    found = AveragePrecision(truth, more).evaluate(scores_of(more))
    np.testing.assert_array_equal(values(found), values(expected))


@pytest.mark.parametrize("name", FILES)
def test_equals_pycocotools_on_real_results(shared_data: Path, name: str) -> None:
    entries = read_results(shared_data / "predictions" / f"{name}.json.gz")
    images = {entry["image_id"] for entry in entries}
    truth = load_ground_truth(shared_data / "coco", FILES[name], images)
    content = read_content(shared_data, FILES[name], images)
    judge = AveragePrecision(truth, entries)
    rng = np.random.default_rng(0)
    for scores, asked in (
        (scores_of(entries), judge.images),
        (scores_of(entries), judge.complete),
        (rng.random(len(entries)), judge.images),
        (np.round(rng.random(len(entries)), 1), judge.images),
    ):
        expected = pycocotools_stats(content, with_scores(entries, scores), asked)
        np.testing.assert_allclose(values(judge.evaluate(scores, asked)), expected, atol=1e-9)


# AP, AP50, AP75, APm, APl, AR and the oracle's AP: data/README.md has them from pycocotools.
BASELINE = {
    "lightweight-openpose_val2017": (
        (0.2944, 0.5307, 0.2800, 0.3930, 0.1764, 0.3826, 0.3812),
        (0.3160, 0.5675, 0.2989, 0.3662, 0.2593, 0.3728, 0.3752),
    ),
    "yolov8n-pose_val2017": (
        (0.4440, 0.7633, 0.4342, 0.3753, 0.5858, 0.5239, 0.5446),
        (0.4575, 0.7555, 0.4909, 0.4137, 0.5702, 0.5195, 0.5495),
    ),
    "yolov8n-pose_train2017": (
        (0.5071, 0.7678, 0.5589, 0.4000, 0.6635, 0.5684, 0.5832),
        (0.4801, 0.7522, 0.5355, 0.3826, 0.6555, 0.5406, 0.5574),
    ),
}


@pytest.mark.parametrize("name", BASELINE)
def test_published_baselines(shared_data: Path, name: str) -> None:
    entries = read_results(shared_data / "predictions" / f"{name}.json.gz")
    images = {entry["image_id"] for entry in entries}
    truth = load_ground_truth(shared_data / "coco", FILES[name], images)
    judge = AveragePrecision(truth, entries)
    for asked, expected in zip((judge.images, judge.complete), BASELINE[name], strict=True):
        found = values(judge.evaluate(scores_of(entries), asked))[:6]
        ceiling = judge.ap(oracle_scores(truth, entries), asked)
        np.testing.assert_allclose((*found, ceiling), expected, atol=6e-5)


def test_an_image_drawn_twice_counts_twice(truth: GroundTruth, content: dict) -> None:
    entries = make_results(content)
    rng = np.random.default_rng(3)
    scores = rng.random(len(entries))
    judge = AveragePrecision(truth, entries)
    draw = rng.integers(0, len(judge.images), len(judge.images))
    copies = {number + 1: judge.images[index] for number, index in enumerate(draw)}
    repeated = {
        "images": [{"id": number} for number in copies],
        "categories": content["categories"],
        "annotations": [],
    }
    poses = []
    for number, image in copies.items():
        repeated["annotations"] += [
            {**annotation, "image_id": number, "id": 1000 * number + annotation["id"]}
            for annotation in content["annotations"]
            if annotation["image_id"] == image
        ]
        poses += [
            {**entry, "image_id": number, "score": score}
            for entry, score in zip(entries, scores, strict=True)
            if entry["image_id"] == image
        ]
    weights = np.bincount(draw, minlength=len(judge.images)).astype(float)
    expected = pycocotools_stats(repeated, poses, copies)[0]
    assert judge.ranking(scores, 1).ap(weights) == pytest.approx(expected, abs=1e-9)


def test_bootstrap(truth: GroundTruth, content: dict) -> None:
    entries = make_results(content)
    judge = AveragePrecision(truth, entries)
    before, after = scores_of(entries), oracle_scores(truth, entries)
    gain = judge.bootstrap(before, after, resamples=200, seed=1)
    assert gain.low <= gain.difference <= gain.high
    assert gain.difference == pytest.approx(judge.ap(after) - judge.ap(before))
    assert gain == judge.bootstrap(before, after, resamples=200, seed=1)
    assert gain != judge.bootstrap(before, after, resamples=200, seed=2)
    nothing = judge.bootstrap(before, before, resamples=20)
    assert (nothing.difference, nothing.low, nothing.high) == (0, 0, 0)
    complete = judge.bootstrap(before, after, resamples=20, images=judge.complete)
    expected = judge.ap(after, judge.complete) - judge.ap(before, judge.complete)
    assert complete.difference == pytest.approx(expected)


def test_faults_are_sentences(truth: GroundTruth, content: dict) -> None:
    entries = make_results(content)
    judge = AveragePrecision(truth, entries)
    with pytest.raises(DatasetError, match=rf"expected {len(entries)} finite scores.*\(3,\)"):
        judge.evaluate(np.ones(3))
    with pytest.raises(DatasetError, match="not finite"):
        judge.evaluate(np.full(len(entries), np.nan))
    with pytest.raises(DatasetError, match="none of the requested images"):
        judge.ap(np.ones(len(entries)), images=[10**9])
    with pytest.raises(DatasetError, match="none of the 1 images"):
        AveragePrecision(truth, [{**entries[0], "image_id": 10**9}])
    with pytest.raises(DatasetError, match="48 keypoint values"):
        AveragePrecision(truth, [{**entries[0], "keypoints": [0] * 48}])


def test_bootstrap_of_all_figures(truth: GroundTruth, content: dict) -> None:
    entries = make_results(content)
    judge = AveragePrecision(truth, entries)
    before, after = scores_of(entries), oracle_scores(truth, entries)
    gains = judge.bootstrap_metrics(before, after, resamples=50, seed=3)
    assert gains["ap"] == judge.bootstrap(before, after, resamples=50, seed=3)
    one, other = (dataclasses.asdict(judge.evaluate(scores)) for scores in (before, after))
    for name, gain in gains.items():
        assert gain.difference == pytest.approx(other[name] - one[name])
        assert gain.low <= gain.high
    assert gains.keys() == {name for name, value in one.items() if value >= 0}


def test_curves_and_single_images(truth: GroundTruth, content: dict) -> None:
    entries = make_results(content)
    judge = AveragePrecision(truth, entries)
    scores = scores_of(entries)
    assert judge.curves(scores).mean() == pytest.approx(judge.ap(scores))
    assert judge.curves(scores).shape == (10, 101)
    expected = [judge.ap(scores, {image}) for image in judge.images]
    np.testing.assert_allclose(judge.by_image(scores), expected)
