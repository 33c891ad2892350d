"""The accuracy study's protocol: nothing held out is seen, and figures are those of the library."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.studies.accuracy import cells, parts, protocol, report, score_nets, scorers
from benchmarks.studies.accuracy.crowdpose import HEAD, as_crowdpose
from benchmarks.studies.accuracy.figures import figures
from benchmarks.studies.accuracy.parts import Subject
from benchmarks.studies.accuracy.protocol import EARLIER, ESTIMATORS
from benchmarks.studies.accuracy.settled import settle
from benchmarks.studies.accuracy.study import Options, run_rows
from benchmarks.studies.common import provenance
from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.results import read_results
from rcnet_rt.evaluation.compare import compare
from rcnet_rt.poses.skeletons import COCO17, CROWDPOSE14_TORSO
from rcnet_rt.refiner import Refiner
from rcnet_rt.training.config import PRESETS
from rcnet_rt.training.fit import fit
from rcnet_rt.training.splits import Split

LWOP, YOLO = EARLIER["lightweight-openpose"], EARLIER["yolo-pose"]
QUICK = replace(PRESETS["residual"], epochs=2, average=0.9)


@pytest.fixture(scope="module")
def data(small_data):
    return protocol.load(small_data, LWOP)


@pytest.fixture(scope="module")
def halves(data):
    """Training images, and others without their labels."""
    images = list(data.poses)
    training = protocol.part_of(data, images[:60])[0]
    return training, protocol.blind(protocol.part_of(data, images[60:])[0])


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


def test_every_estimator_of_the_study_is_on_completely_annotated_images(shared_data):
    for estimator in ESTIMATORS.values():
        assert all(
            (shared_data / "predictions" / f"{f}.json.gz").is_file() for f in estimator.files
        )
    data = protocol.load(shared_data, ESTIMATORS["yolo11n_256"])
    assert len(data.average_precision.images) > 1500
    assert data.average_precision.complete == set(data.average_precision.images)


def test_rows_are_evaluated_as_by_the_library(small_data, data):
    fixed = parts.Part(
        "fixed",
        lambda subject: [row for row in parts.methods(subject) if row.how == "fixed"],
        over=(parts.RAW, parts.BASELINE),
    )
    table = run_rows(Options(small_data, resamples=40), Subject(LWOP), fixed, lambda line: None)
    precision = data.average_precision
    values = data.baseline_values("score_times_joints")
    views = {"all": precision.images, "complete": sorted(precision.complete)}
    assert set(table) == set(views)
    for view, images in views.items():
        found = {row["name"]: row for row in table[view]["rows"]}
        assert found[parts.BASELINE]["ap"] == pytest.approx(100 * precision.ap(values, images))
        assert found["oracle"]["ap"] == pytest.approx(100 * precision.ap(data.match.target, images))
        expected = precision.bootstrap(data.scores, values, 40, 0, images)
        for name in ("difference", "low", "high"):
            figure = found[parts.BASELINE]["gains"][parts.RAW][name]
            assert figure == pytest.approx(100 * getattr(expected, name))


def test_figures_are_those_of_the_library(data):
    values = data.baseline_values("score_times_joints")
    expected = compare(data.ground_truth, data.entries, data.scores, values, resamples=2)
    after, found = expected.all_images.after, figures(data, values)
    assert found["ap"] == pytest.approx(100 * after.metrics.ap)
    assert found["ranking accuracy"] == pytest.approx(after.ranking_accuracy)
    assert found["pearson"] == pytest.approx(after.pearson)
    assert found["ause"] == pytest.approx(after.ause)
    assert found["risk at half"] < found["risk"] * 2
    assert np.isnan(found["ece"])  # its scores pass 1
    assert 0 < found["ece calibrated"] < 0.2


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


@pytest.mark.parametrize("recipe", [QUICK, replace(QUICK, without=("size", "set"))])
def test_networks_order_poses_as_train_and_refine_do(halves, recipe):
    training, test = halves
    everything = Split("all", tuple(training.poses), ())
    weights = fit(training, replace(recipe, seed=1), everything, name="library")
    items = list(test.poses.values())
    expected = np.zeros(len(test.entries))
    for item, poses in zip(items, Refiner(weights).batch([i.poses for i in items]), strict=True):
        expected[item.entries] = poses.scores
    found = scorers.ours(training, test, 1, recipe)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_poses_below_the_floor_score_as_in_the_library(small_data):
    data = protocol.load(small_data, YOLO)
    training = protocol.part_of(data, list(data.poses)[:20])[0]
    recipe = replace(QUICK, baseline="score")
    weights = fit(training, recipe, Split("all", tuple(training.poses), ()), name="library")
    items = list(data.poses.values())
    expected = np.zeros(len(data.entries))
    for item, poses in zip(items, Refiner(weights).batch([i.poses for i in items]), strict=True):
        expected[item.entries] = poses.scores
    assert (data.scores < weights.floor).any()
    np.testing.assert_allclose(scorers.ours(training, data, 0, recipe), expected, atol=1e-6)


def test_an_ensemble_is_the_mean_of_networks_with_other_seeds(halves):
    training, test = halves
    alone = [scorers.ours(training, test, seed, QUICK) for seed in (0, 100)]
    both = scorers.ensemble(training, test, 0, QUICK, members=2)
    np.testing.assert_allclose(both, np.mean(alone, axis=0))


@pytest.mark.parametrize("method", [score_nets.dekr, score_nets.super_gradients])
def test_published_networks_multiply_the_score(halves, monkeypatch, method):
    training, test = halves
    monkeypatch.setattr(score_nets, "EPOCHS", 1)
    poses, _ = settle(training, QUICK, 0).examples(test)
    rows = np.concatenate(poses.entries)
    factor = method(training, test, 0, QUICK)[rows] / test.scores[rows]
    assert 0 < factor.min() < factor.max() < 1


@pytest.mark.parametrize("method", [scorers.temperature_at_once, scorers.isotonic_at_once])
def test_one_calibration_for_all_images_leaves_the_ap_alone(data, method):
    scores = method(data)
    assert not np.allclose(scores, data.scores)
    precision = data.average_precision
    assert precision.ap(scores) == precision.ap(data.scores)


def test_a_learning_curve_learns_from_as_many_images_as_it_says(data):
    counts = []

    def spy(training, test, seed):
        counts.append(len(training.poses))
        return test.scores

    protocol.out_of_fold(data, partial(scorers.limited, scorer=spy, images=20), 0)
    assert counts == [20] * 5


def test_a_finished_cell_is_not_computed_again(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"scores": np.arange(3.0)}

    assert cells.finished(tmp_path, {"seed": 0}) is None
    first = cells.cached(tmp_path, {"seed": 0}, compute)
    again = cells.finished(tmp_path, {"seed": 0})
    other = cells.cached(tmp_path, {"seed": 1}, compute)
    cells.cached(tmp_path, {"seed": 1}, compute)
    assert len(calls) == 2
    for cell in (first, again, other):
        np.testing.assert_array_equal(cell["scores"], np.arange(3.0))


def test_rows_that_differ_have_cells_that_differ():
    for part in parts.PARTS.values():
        for estimator in part.estimators:
            rows = [r for r in part.rows(Subject(estimator)) if r.scorer is not None]
            described = [json.dumps(cells.describe(row.scorer), sort_keys=True) for row in rows]
            named = {(row.name, text) for row, text in zip(rows, described, strict=True)}
            assert len({name for name, _ in named}) == len(rows)
            trained = [t for r, t in zip(rows, described, strict=True) if r.how == "folds"]
            assert len(set(trained)) == len(trained)


def test_crowdpose_joints_keep_what_coco_has_and_derive_head_and_neck(small_data):
    entries = read_results(small_data / "predictions" / "yolov8n-pose_val2017.json.gz")[:40]
    images = {entry["image_id"] for entry in entries}
    truth = load_ground_truth(small_data / "coco", image_ids=images)
    mapped, results = as_crowdpose(truth, entries)
    assert mapped.skeleton == CROWDPOSE14_TORSO
    coco = {name: i for i, name in enumerate(COCO17.keypoints)}
    crowd = {name: i for i, name in enumerate(CROWDPOSE14_TORSO.keypoints)}
    for before, after in zip(entries, results, strict=True):
        old = np.reshape(before["keypoints"], (17, 3))
        new = np.reshape(after["keypoints"], (14, 3))
        np.testing.assert_array_equal(new[crowd["left_wrist"]], old[coco["left_wrist"]])
        shoulders = old[[coco["left_shoulder"], coco["right_shoulder"]]]
        neck, head = new[crowd["neck"]], new[crowd["head"]]
        np.testing.assert_allclose(neck[:2], shoulders[:, :2].mean(axis=0))
        assert neck[2] == shoulders[:, 2].min()
        np.testing.assert_allclose(
            head[:2] - neck[:2], HEAD * (old[coco["nose"], :2] - neck[:2]), atol=1e-9
        )
    for image, people in mapped.persons.items():
        unlabelled = ~people.visible.any(axis=1)
        np.testing.assert_array_equal(people.ignore, truth.persons[image].ignore | unlabelled)


def test_what_a_run_did_not_measure_stays_in_the_results(small_data, tmp_path):
    whole = parts.Part("fixed", parts.references, over=())

    def run(command, name, rows=""):
        subject, options = Subject(replace(LWOP, name=name)), Options(small_data, resamples=2)
        table = run_rows(replace(options, rows=rows), subject, whole, lambda line: None)
        made = provenance(command, 60.0) | {"rows": rows}
        report.keep(tmp_path, "choices", made, {name: table})

    run("first", "yolov8n_640")
    run("second", "posenet", "base")
    run("third", "yolov8n_640")
    path = tmp_path / "results.json"
    results = json.loads(path.read_text())
    for row in results["choices"]["estimators"]["posenet"]["all"]["rows"]:
        row["ap"] = -1.0
    path.write_text(json.dumps(results))
    run("fourth", "posenet", "raw")
    part = json.loads(path.read_text())["choices"]
    for tables in part["estimators"].values():
        assert [row["name"] for row in tables["all"]["rows"]] == [parts.RAW, parts.BASELINE]
    raw, baseline = part["estimators"]["posenet"]["all"]["rows"]
    assert raw["ap"] > 0
    assert baseline["ap"] == -1
    assert list(part["estimators"]) == ["yolov8n_640", "posenet"]
    assert [made["command"] for made in part["made"]] == ["second", "third", "fourth"]
    page = (tmp_path / "RESULTS.md").read_text()
    assert "posenet: `second`" in page
    assert "first" not in page


@pytest.mark.slow
@pytest.mark.parametrize("part", parts.PARTS)
def test_every_part_runs_and_is_reported(small_data, tmp_path, part):
    known = {"yolov8n_640": YOLO, "lightweight-openpose": LWOP}
    tables = {
        name: run_rows(
            Options(small_data, fold_seeds=1, resamples=5, cells=tmp_path / "cells"),
            Subject(replace(estimator, crowdpose=part == "crowdpose"), quick=True),
            parts.PARTS[part],
            lambda line: None,
        )
        for name, estimator in known.items()
    }
    made = provenance("command", 60.0) | {"rows": ""}
    report.keep(tmp_path, part, made, tables)
    page = (tmp_path / "RESULTS.md").read_text()
    rows = json.loads((tmp_path / "results.json").read_text())[part]["estimators"]
    for tables in rows.values():
        assert all(f"| {row['name']} |" in page for row in tables["all"]["rows"])
    assert (part == "curve") == (tmp_path / "learning.png").exists()
