from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.coco import GroundTruth, load_ground_truth
from rcnet_rt.datasets.results import read_results, scores_of
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.average_precision import AveragePrecision
from rcnet_rt.evaluation.compare import compare, match_entries, official_metrics, oracle_scores
from rcnet_rt.evaluation.metrics import ranking_accuracy
from tests.helpers.synthetic_coco import (
    make_content,
    make_results,
    pycocotools_stats,
    write_dataset,
)


@pytest.fixture
def content() -> dict:
    return make_content()


@pytest.fixture
def truth(tmp_path: Path, content: dict) -> GroundTruth:
    return load_ground_truth(write_dataset(tmp_path, content))


@pytest.mark.parametrize("boxes", [True, False])
def test_official_metrics_equal_pycocotools(
    truth: GroundTruth, content: dict, boxes: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    entries = make_results(content, boxes=boxes)
    untouched = [dict(entry) for entry in entries]
    images = {entry["image_id"] for entry in entries}
    for asked in (None, truth.complete):
        found = official_metrics(truth, entries, asked)
        assert capfd.readouterr() == ("", "")
        expected = pycocotools_stats(content, entries, asked or images)
        np.testing.assert_allclose(dataclasses.astuple(found), expected, atol=1e-9)
    assert entries == untouched


@pytest.mark.parametrize("name", ["lightweight-openpose_val2017", "yolov8n-pose_val2017"])
def test_three_evaluators_agree_on_real_results(shared_data: Path, name: str) -> None:
    entries = read_results(shared_data / "predictions" / f"{name}.json.gz")
    images = {entry["image_id"] for entry in entries}
    truth = load_ground_truth(shared_data / "coco", "val2017", images)
    official = official_metrics(truth, entries)
    fast = AveragePrecision(truth, entries).evaluate(scores_of(entries))  # held to pycocotools
    np.testing.assert_allclose(dataclasses.astuple(official), dataclasses.astuple(fast), atol=1e-9)


def test_joined_splits_may_share_annotation_ids(tmp_path: Path, content: dict) -> None:
    entries = make_results(content)
    first = {**content, "images": [i for i in content["images"] if i["id"] < 6]}
    second = {**content, "images": [i for i in content["images"] if i["id"] >= 6]}
    for split, part in (("train2017", first), ("val2017", second)):
        ids = {image["id"] for image in part["images"]}
        people = [a for a in content["annotations"] if a["image_id"] in ids]
        renumbered = [{**person, "id": number} for number, person in enumerate(people)]
        write_dataset(tmp_path, {**part, "annotations": renumbered}, split)
    joined = load_ground_truth(tmp_path, image_ids={entry["image_id"] for entry in entries})
    whole = load_ground_truth(write_dataset(tmp_path / "whole", content))
    # By their texts: from Python 3.13 on a dataclass with a NaN is unequal to itself.
    assert repr(official_metrics(joined, entries)) == repr(official_metrics(whole, entries))


def test_entries_are_matched_on_their_own_image(truth: GroundTruth, content: dict) -> None:
    stranger = {**make_results(content)[0], "image_id": 10**9}
    entries = [stranger, *make_results(content)]
    matched = match_entries(truth, entries)
    assert (matched.target[0], matched.person[0], matched.weight[0]) == (0, -1, 0)
    for index, entry in enumerate(entries[1:], start=1):
        if matched.person[index] >= 0:
            points = np.reshape(entry["keypoints"], (1, 17, 3))[:, :, :2]
            similarity = truth.oks(entry["image_id"], points)[0, matched.person[index]]
            assert matched.target[index] == pytest.approx(similarity)


def test_compare(truth: GroundTruth, content: dict) -> None:
    entries = make_results(content)
    before, perfect = scores_of(entries), oracle_scores(truth, entries)
    evaluation = compare(truth, entries, before, perfect, {"same": before}, resamples=50)
    everything, complete = evaluation.all_images, evaluation.complete_images
    assert complete is not None
    images = {entry["image_id"] for entry in entries}
    assert everything.images == len(images)
    assert complete.images == len(images & truth.complete)
    assert everything.people > complete.people > 0
    assert everything.poses == len(entries) > complete.poses
    assert repr(everything.before) == repr(everything.baselines["same"])
    assert everything.after.metrics.ap == pytest.approx(everything.ceiling)
    assert everything.headroom_closed == pytest.approx(1)
    gain = everything.after.metrics.ap - everything.before.metrics.ap
    assert everything.gain.difference == pytest.approx(gain)
    assert everything.after.ranking_accuracy == everything.after.ranking_accuracy_within_image == 1
    assert everything.after.misranked.count == 0
    assert everything.after.ause == pytest.approx(0)
    assert everything.after.calibration_error == pytest.approx(0)
    matched = match_entries(truth, entries)
    right = (matched.target >= 0.5) & (matched.weight > 0)
    accuracy = ranking_accuracy(before[right], matched.target[right])
    assert everything.before.ranking_accuracy == accuracy


def test_without_complete_images_there_is_one_comparison(tmp_path: Path, content: dict) -> None:
    truth = load_ground_truth(write_dataset(tmp_path, {**content, "full_real_image_ids": []}))
    entries = make_results(content)
    scores = scores_of(entries)
    assert compare(truth, entries, scores, scores, resamples=5).complete_images is None


def test_no_headroom_is_no_share(truth: GroundTruth, content: dict) -> None:
    entries = make_results(content)
    perfect = oracle_scores(truth, entries)
    everything = compare(truth, entries, perfect, perfect, resamples=5).all_images
    assert np.isnan(everything.headroom_closed)


def test_faults_are_sentences(truth: GroundTruth, content: dict) -> None:
    entries = make_results(content)
    with pytest.raises(DatasetError, match="none of the 1 images"):
        official_metrics(truth, [{**entries[0], "image_id": 10**9}])
    with pytest.raises(DatasetError, match="48 keypoint values"):
        official_metrics(truth, [{**entries[0], "keypoints": [0] * 48}])
    with pytest.raises(DatasetError, match="score nan"):
        official_metrics(truth, [{**entries[0], "score": float("nan")}])
    with pytest.raises(DatasetError, match="finite scores"):
        compare(truth, entries, scores_of(entries), [0.5])
