"""The ablations: figures are those of the library, and every table gets its rows."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.studies.ablations import learning, networks, paper, parts, report, visual
from benchmarks.studies.ablations.__main__ import PARTS
from benchmarks.studies.ablations.embeddings import write_with_embeddings
from benchmarks.studies.accuracy import protocol
from benchmarks.studies.accuracy.parts import Subject
from benchmarks.studies.accuracy.protocol import EARLIER
from benchmarks.studies.accuracy.study import Options, views
from benchmarks.studies.common import provenance
from rcnet_rt.datasets.results import read_results
from rcnet_rt.evaluation.compare import compare
from rcnet_rt.training.losses import LOSSES

LWOP, YOLO = EARLIER["lightweight-openpose"], EARLIER["yolo-pose"]


def test_every_loss_and_margin_has_a_row_with_its_own_recipe():
    for name, part in parts.PARTS.items():
        rows = {row.name: row for row in part.rows(Subject(LWOP))}
        assert set(part.over) <= set(rows)
        published = paper.LOSSES if name.startswith("losses") else paper.MARGINS
        assert set(published) <= set(rows)
        recipes = [row.scorer.keywords["recipe"] for row in rows.values() if row.how == "folds"]
        assert len(set(recipes)) == len(recipes)
        if name.startswith("losses"):
            assert [recipe.loss for recipe in recipes] == list(LOSSES)


def test_figures_are_those_of_the_library(small_data):
    data = protocol.load(small_data, LWOP)
    values = data.baseline_values("score_times_joints")
    images = views(data)["all"]
    rows = networks._rows(data, {"raw score": [data.scores], "MLP": [values]}, images, 20)
    expected = compare(data.ground_truth, data.entries, data.scores, values, resamples=20)
    for name, figures in (
        ("raw score", expected.all_images.before),
        ("MLP", expected.all_images.after),
    ):
        row = rows[name]
        assert row["ap"] == pytest.approx(100 * figures.metrics.ap)
        assert row["ar"] == pytest.approx(100 * figures.metrics.ar)
        assert row["ranking accuracy"]["value"] == pytest.approx(figures.ranking_accuracy)
        assert row["within image"] == pytest.approx(figures.ranking_accuracy_within_image)
        assert row["pearson"]["value"] == pytest.approx(figures.pearson)
        assert row["ause"]["value"] == pytest.approx(figures.ause)
    change = rows["MLP"]["over"]["raw score"]
    assert change["difference"] == pytest.approx(100 * expected.all_images.gain.difference)
    accuracy = rows["MLP"]["ranking accuracy"]
    assert accuracy["low"] < accuracy["difference"] < accuracy["high"]


def test_embeddings_are_put_beside_poses_that_stay_the_same(small_data, tmp_path):
    pytest.importorskip("openvino")
    share = write_with_embeddings(small_data, YOLO, tmp_path / "data")
    assert 0.98 < share <= 1
    file = "predictions/yolov8n-pose_val2017.json.gz"
    entries = read_results(tmp_path / "data" / file)
    embeddings = [entry.pop("embedding", None) for entry in entries]
    assert entries == read_results(small_data / file)
    known = np.array([embedding for embedding in embeddings if embedding is not None])
    assert known.shape[1] == 64
    assert len(np.unique(known, axis=0)) > 0.9 * len(known)
    assert protocol.load(tmp_path / "data", YOLO).embedding_size == 64


def test_every_setting_is_tried_with_visual_features_and_without():
    recipes = {row.name: row.scorer.keywords["recipe"] for row in visual.rows(Subject(YOLO))
               if row.how == "folds"}  # fmt: skip
    for name, recipe in recipes.items():
        if name.endswith(visual.VISUAL):
            plain = recipes[name.replace(visual.VISUAL, visual.POSE)]
            assert replace(plain, features=f"{plain.features}+visual") == recipe
    assert len(recipes) == 4


def test_falls_of_the_accuracy_are_counted_where_the_loss_fell():
    losses = np.array([[3.0, 2.0, 1.0, 2.0], [3.0, 2.0, 1.0, 0.5]])
    accuracies = np.array([[0.5, 0.6, 0.5, 0.4], [0.5, 0.6, 0.7, 0.8]])
    assert learning._fell_together(losses, accuracies) == {"epochs": 5, "share": 1 / 5}


@pytest.mark.slow
def test_every_part_runs_and_is_reported(small_data, tmp_path):
    for name, run in PARTS.items():
        found = {
            estimator.name: run(Options(small_data, 1, 5), estimator, True)
            for estimator in EARLIER.values()
        }
        report.keep(tmp_path, PARTS, name, {"made": provenance("c", 1.0), "estimators": found})
    page = (tmp_path / "RESULTS.md").read_text()
    for loss in LOSSES:
        assert page.count(f"| {loss} |") >= 4
    assert page.count("setting: pose and visual") == 4
    for title in (
        "Margins",
        "Visual features",
        "Architectures",
        "Ranking accuracy",
        "Calibration",
        "Learning curve",
    ):
        assert f"## {title}" in page
    assert json.loads((tmp_path / "results.json").read_text()).keys() == PARTS.keys()
    assert (tmp_path / "learning.png").read_bytes().startswith(b"\x89PNG")
