"""The study of signals on a small part of real data: that it runs, and what it keeps apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies.signals import rows
from benchmarks.studies.signals.report import blocks
from rcnet_rt.poses.poses import Poses
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring.nms_consensus import CONSENSUS


def test_a_recheck_goes_to_the_least_certain_poses(random_poses: Poses) -> None:
    poses = replace(
        random_poses,
        scores=[0.9, 0.45, 0.2, 0.55, 0.1],
        consensus=np.full((5, len(CONSENSUS)), 0.9),
        agreement=[0.1, 0.2, 0.3, 0.4, 0.5],
    )
    refiner, given = Refiner("formula:score"), rows.GIVEN[rows.WITH]
    rechecked = given["and a recheck at 3 poses"](poses, refiner).agreement
    assert rechecked is not None
    assert np.isnan(rechecked).tolist() == [True, False, False, False, True]
    assert given[rows.CONSENSUS](poses, refiner).agreement is None
    assert given[rows.NOTHING](poses, refiner).consensus is None


def test_the_page_shows_every_row() -> None:
    gains = {rows.RAW: {"difference": 1.0, "low": -0.5, "high": 2.0}}
    table = {"images": 3, "rows": [{"name": "row", "ap": 48.123, "gains": gains}]}
    cost = {
        "step": "consensus",
        "median ms": 0.5,
        "mean ms": 0.6,
        "share of the inference": 0.014,
        "crops": None,
    }
    made = {"command": "c", "date": "d", "seconds": 60, "machine": "m", "versions": {"a": "1"}}
    page = "\n".join(blocks({"made": made, "tables": {"all": table}, "costs": [cost]}))
    assert "| row | 48.12 | +1.00 [-0.50, 2.00] ≈ |" in page
    assert "| consensus | 0.50 | 0.60 | 1.4 % |" in page


@pytest.mark.slow
def test_the_study_runs_on_real_predictions(shared_data: Path, monkeypatch) -> None:
    quick = {
        replace(learner, recipe=replace(learner.recipe, epochs=1, average=0.5)): given
        for learner, given in rows.GIVEN.items()
    }
    monkeypatch.setattr(rows, "GIVEN", quick)
    results = (shared_data / "predictions" / "yolov8n-pose_val2017.json.gz",)
    files = rows.Files(shared_data / "coco", results, ())
    scores = rows.scores_by_row(files, 1, 1)
    page = rows.tables(files, scores, 20)
    assert [row["name"] for row in page["all"]["rows"]] == list(scores)
    # These results have no signals, so that giving all is giving none.
    np.testing.assert_array_equal(scores[rows.RECHECKED][0], scores[rows.NOTHING][0])
