"""The accuracy study's protocol: nothing held out is seen, and figures are those of the library."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.studies.accuracy import generic, parts, protocol, report, scorers
from benchmarks.studies.accuracy.parts import Subject
from benchmarks.studies.accuracy.study import Options, run_rows
from benchmarks.studies.common import provenance
from rcnet_rt.datasets.results import write_results
from rcnet_rt.training.config import PRESETS

LWOP = "lightweight-openpose"
QUICK = replace(PRESETS["residual"], epochs=2, average=0.9)


@pytest.fixture(scope="module")
def data(small_data):
    return protocol.load(small_data, LWOP)


def test_no_scorer_sees_what_is_held_out(data):
    seen = []

    def spy(training, test, seed):
        assert not set(training.poses) & set(test.poses)
        assert not any(len(persons) for persons in test.ground_truth.persons.values())
        assert any(len(persons) for persons in training.ground_truth.persons.values())
        seen.extend(test.poses)
        return test.scores + seed

    np.testing.assert_array_equal(protocol.out_of_fold(data, spy, 3), data.scores + 3)
    assert sorted(seen) == sorted(data.poses)


def test_an_estimator_left_out_is_evaluated_on_images_that_no_other_was_trained_on(small_data):
    def spy(training, test, seed):
        assert len(training) == len(protocol.ESTIMATORS) - 1
        assert not any(set(part.poses) & set(test.poses) for part in training)
        return test.scores

    assert set(protocol.load(small_data, LWOP).poses) & set(
        protocol.load(small_data, "yolo-pose").poses
    )
    for name in protocol.ESTIMATORS:
        scores = protocol.left_out(small_data, name, spy, 0)
        np.testing.assert_array_equal(scores, protocol.load(small_data, name).scores)


def test_rows_are_evaluated_as_by_the_library(small_data, data):
    fixed = parts.Part(
        "fixed", lambda subject: [row for row in parts.tables(subject) if row.how == "fixed"]
    )
    table = run_rows(Options(small_data, resamples=40), Subject(LWOP), fixed, lambda line: None)
    precision = data.average_precision
    values = data.baseline_values("score_times_joints")
    views = {"all": precision.images, "complete": sorted(precision.complete)}
    for view, images in views.items():
        found = {row["name"]: row for row in table[view]["rows"]}
        assert found[parts.BASELINE]["ap"] == pytest.approx(100 * precision.ap(values, images))
        assert found["oracle"]["ap"] == pytest.approx(100 * precision.ap(data.match.target, images))
        expected = precision.bootstrap(data.scores, values, 40, 0, images)
        for name in ("difference", "low", "high"):
            figure = found[parts.BASELINE]["gains"][parts.RAW][name]
            assert figure == pytest.approx(100 * getattr(expected, name))


def test_the_oracle_is_the_ceiling_that_the_data_promise(shared_data):
    data = protocol.load(shared_data, LWOP)
    precision = data.average_precision
    assert precision.ap(scorers.oracle(data)) == pytest.approx(0.3812, abs=5e-5)
    assert precision.ap(scorers.oracle(data), precision.complete) == pytest.approx(0.3752, abs=5e-5)


def test_an_image_that_falls_is_told_from_one_that_rises(data):
    images = data.average_precision.images
    before = protocol.evaluate(data, data.scores, images, 1).own
    own = protocol.evaluate(data, scorers.oracle(data), images, 1).own
    assert len(own) == len(images)
    assert np.nanmin(own - before) >= 0  # a perfect order makes no image worse
    first = next(i for i, ap in enumerate(own) if not np.isnan(ap))
    assert own[first] == pytest.approx(
        data.average_precision.ap(scorers.oracle(data), [images[first]])
    )


def test_hiding_nothing_is_what_the_library_does(data):
    training = protocol.part_of(data, list(data.poses)[:60])[0]
    test = protocol.blind(protocol.part_of(data, list(data.poses)[60:])[0])
    expected = scorers.ours(training, test, 1, QUICK)
    found = scorers.masked(training, test, 1, QUICK, lambda name: True)
    np.testing.assert_array_equal(np.argsort(found), np.argsort(expected))
    hidden = scorers.masked(training, test, 1, QUICK, lambda name: name == "base")
    assert not np.array_equal(np.argsort(hidden), np.argsort(expected))


def test_a_learning_curve_learns_from_as_many_images_as_it_says(data):
    counts = []

    def spy(training, test, seed):
        counts.append(len(training.poses))
        return test.scores

    protocol.out_of_fold(data, partial(scorers.limited, scorer=spy, images=20), 0)
    assert counts == [20] * 5


def test_augmentations_of_held_out_images_are_not_learned_from(data, tmp_path, monkeypatch):
    file = tmp_path / "augmented.json"
    write_results(file, list(data.entries))
    seen = []

    def spy(training, test, seed, recipe):
        images = {entry["image_id"] for entry in training.augmented_entries}
        assert images == set(training.poses)
        assert not test.augmented_entries
        seen.append(images)
        return test.scores

    monkeypatch.setattr(scorers, "ours", spy)
    scorer = partial(scorers.with_augmentations, recipe=QUICK, files=(file,))
    protocol.out_of_fold(data, scorer, 0)
    assert len(seen) == 5


def test_quantiles_keep_the_order_and_leave_junk_below(small_data):
    data = protocol.load(small_data, "yolo-pose")
    ranked = generic.quantiles(data, data.scores)
    above = data.scores >= 0.05
    np.testing.assert_array_equal(
        np.argsort(ranked[above], kind="stable"), np.argsort(data.scores[above], kind="stable")
    )
    assert (ranked[~above] == 0).all()
    assert 0.05 < ranked[above].min() < ranked[above].max() < 1


@pytest.mark.slow
@pytest.mark.parametrize("part", parts.PARTS)
def test_every_part_runs_and_is_reported(small_data, tmp_path, part):
    tables = {
        name: run_rows(
            Options(small_data, fold_seeds=1, resamples=5),
            Subject(name, quick=True),
            parts.PARTS[part],
            lambda line: None,
        )
        for name in protocol.ESTIMATORS
    }
    made = provenance("command", 60.0)
    report.keep(tmp_path, part, {"made": made, "estimators": tables})
    page = (tmp_path / "RESULTS.md").read_text()
    rows = json.loads((tmp_path / "results.json").read_text())[part]["estimators"][LWOP]["all"]
    assert all(f"| {row['name']} |" in page for row in rows["rows"])
