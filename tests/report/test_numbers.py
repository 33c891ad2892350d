from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.evaluation.compare import Evaluation, compare, oracle_scores
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.report import captions
from rcnet_rt.report.numbers import ERROR_TYPES_OKS, ErrorType, ImageChange, Numbers, Pair, collect
from tests.helpers.synthetic_coco import (
    make_content,
    make_results,
    pycocotools_stats,
    write_dataset,
)


@pytest.fixture
def data(tmp_path: Path) -> LabeledResults:
    content = make_content()
    return LabeledResults(
        load_ground_truth(write_dataset(tmp_path, content)), make_results(content)
    )


@pytest.fixture
def evaluation(data: LabeledResults) -> Evaluation:
    perfect = oracle_scores(data.ground_truth, data.entries)
    baselines = {"score_times_confidence": data.baseline_values("score_times_confidence")}
    return compare(data.ground_truth, data.entries, data.scores, perfect, baselines, resamples=20)


@pytest.fixture
def numbers(data: LabeledResults, evaluation: Evaluation) -> Numbers:
    baselines = {name: data.baseline_values(name) for name in evaluation.all_images.baselines}
    return collect(data, data.match.target, evaluation, baselines, resamples=20)


def test_they_are_those_of_the_evaluation(numbers: Numbers, evaluation: Evaluation) -> None:
    everything = evaluation.all_images
    assert astuple(numbers.gains["ap"]) == pytest.approx(astuple(everything.gain))
    assert numbers.precision.before.mean() == pytest.approx(everything.before.metrics.ap)
    assert numbers.precision.after[5].mean() == pytest.approx(everything.after.metrics.ap75)
    for report, curve, table in (
        (everything.before, numbers.sparsification.before, numbers.reliability.before),
        (everything.after, numbers.sparsification.after, numbers.reliability.after),
    ):
        assert (curve.error - curve.best).mean() == pytest.approx(report.ause)
        assert table.count.sum() == len(numbers.oks)
    assert numbers.baseline is not None
    name, gain = numbers.baseline
    expected = everything.after.metrics.ap - everything.baselines[name].metrics.ap
    assert gain.difference == pytest.approx(expected)


def test_an_image_alone_is_judged_as_coco_does(numbers: Numbers, data: LabeledResults) -> None:
    content = make_content()
    assert numbers.images
    for change in numbers.images:
        entries = [entry for entry in data.entries if entry["image_id"] == change.image]
        expected = pycocotools_stats(content, entries, {change.image})[0]
        assert change.ap.before == pytest.approx(expected)
    assert [c.weight for c in numbers.images] == sorted(c.weight for c in numbers.images)[::-1]


def test_kinds_count_what_they_outrank(numbers: Numbers, data: LabeledResults) -> None:
    counted = data.match.weight > 0
    right = counted & (data.match.target >= ERROR_TYPES_OKS)
    assert sum(kind.count for kind in numbers.error_types) == (counted & ~right).sum()
    assert all(kind.outranked.after == 0 for kind in numbers.error_types)  # the order is perfect
    wrong = data.scores[counted & ~right][:, None]
    below = data.scores[right][None]
    expected = ((wrong > below) + 0.5 * (wrong == below)).mean()
    found = [kind.outranked.before for kind in numbers.error_types]
    assert np.average(found, weights=[k.count for k in numbers.error_types]) == pytest.approx(
        expected
    )
    for kind in numbers.error_types:
        assert kind.gained == 0
        assert 0 <= kind.lost <= kind.count


def test_captions_say_what_is_there(numbers: Numbers, evaluation: Evaluation) -> None:
    everything = evaluation.all_images
    assert captions.headline(everything).startswith("Re-scoring lifts AP by ")
    uncertain = replace(everything.gain, low=-0.01)
    assert "includes 0: the change is not significant" in captions.headline(
        replace(everything, gain=uncertain)
    )
    worse = replace(everything.gain, difference=-0.02, low=-0.03, high=-0.01)
    assert captions.headline(replace(everything, gain=worse)).startswith(
        "Re-scoring lowers AP by 2"
    )
    said = captions.gain_over_baseline(numbers, "by me")
    assert "score times confidence, reaches" in said
    assert "(chosen by me)" in said
    assert captions.gain_over_baseline(replace(numbers, baseline=None), "") == ""
    assert "→ 100.0 % are ranked in the order" in captions.ranking(everything)
    assert "from " in captions.misranked(everything)
    assert captions.misranked(replace(everything, after=everything.before)).startswith("The count")
    assert "the optimal ranking leaves" in captions.sparsification(numbers)
    assert "correlation" in captions.scatter(numbers)


def test_captions_of_precision_and_reliability_by_hand(numbers: Numbers) -> None:
    curve = np.zeros((10, 101))
    curve[0, :31], curve[5, :11] = 0.95, 0.9
    made = replace(
        numbers,
        precision=Pair(np.zeros((10, 101)), curve),
        scores=Pair(np.array([0.6, 0.8, 0.1]), np.array([0.2, 0.3, 1.2])),
        oks=np.array([0.5, 0.5, 1.0]),
    )
    text = captions.precision_recall(made)
    assert "0 % with raw and 30 % with refined scores at OKS 0.5;" in text
    assert "0 % with raw and 10 % with refined scores at OKS 0.75." in text
    said = captions.reliability(made)
    assert "The 2 raw scores of at least 0.5 are 0.200 above the OKS" in said
    assert "the 1 refined scores of at least 0.5 are 0.000 below" in said
    nothing = replace(made, scores=Pair(np.array([1.5, 0.0, 0.0]), np.zeros(3)))
    assert "no refined score reaches 0.5" in captions.reliability(nothing)
    assert captions.reliability(nothing).endswith("Raw scores above 1 are clipped to 1.")


def test_captions_of_kinds_and_images() -> None:
    fallen = ErrorType("duplicate", 10, Pair(0.3, 0.1), 0, 9)
    risen = ErrorType("swap", 2, Pair(0.1, 0.2), 2, 0)
    still = ErrorType("miss", 2, Pair(0.1, 0.1), 0, 0)
    text = captions.error_types((fallen, risen, still))
    assert (
        "“duplicate” (10) outranks 10.0 % of the true positives instead of 30.0 %, the largest fall"
        in text
    )
    assert "“swap” (2) outranks 20.0 %" in text
    assert "rise" not in captions.error_types((fallen, still))
    assert captions.error_types((still,)) == "No error type moved."
    change = ImageChange(7, 1, Pair(0.5, 0.25))
    assert captions.image_change(change) == "AP of this image 50.0 → 25.0 (-25.0), 1 person"
