"""The study of signals on a small part of real data: that it runs, and what it keeps apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rcnet_rt.evidence import SIGNALS

from benchmarks.signals import rows
from benchmarks.signals.report import markdown
from rcnet_rt.consensus import CONSENSUS
from rcnet_rt.poses import Poses


def test_a_network_is_given_only_some_signals(random_poses: Poses) -> None:
    poses = replace(
        random_poses, consensus=np.full((5, len(CONSENSUS)), 0.9), agreement=np.full(5, 0.5)
    )
    for names in rows.GIVEN.values():
        given = rows._with_only(poses, names)
        known = [name for name in SIGNALS if getattr(given, name) is not None]
        assert tuple(known) == names


def test_the_page_shows_every_row() -> None:
    gains = {rows.RAW: {"difference": 1.0, "low": -0.5, "high": 2.0}}
    table = {"images": 3, "rows": [{"name": "row", "ap": 48.123, "gains": gains}]}
    cost = {
        "step": "consensus",
        "median ms": 0.5,
        "mean ms": 0.6,
        "share of the inference": 0.014,
        "close-ups": None,
    }
    made = {"command": "c", "date": "d", "seconds": 60, "machine": "m", "versions": {"a": "1"}}
    page = markdown({"made": made, "tables": {"all": table}, "costs": [cost]})
    assert "| row | 48.12 | +1.00 [-0.50, 2.00] ≈ |" in page
    assert "| consensus | 0.50 | 0.60 | 1.4 % |" in page


@pytest.mark.slow
def test_the_study_runs_on_real_predictions(shared_data: Path, monkeypatch) -> None:
    for name in ("RECIPE", "AS_FEATURES"):
        monkeypatch.setattr(rows, name, replace(getattr(rows, name), epochs=1, average=0.5))
    results = (shared_data / "predictions" / "yolov8n-pose_val2017.json.gz",)
    files = rows.Files(shared_data / "coco", results, ())
    scores = rows.scores_by_row(files, 1, 1)
    page = rows.tables(files, scores, 20)
    assert [row["name"] for row in page["all"]["rows"]] == list(scores)
    # These results have no signals: nothing is added.
    np.testing.assert_allclose(scores[rows.LOOKED][0], scores[rows.NETWORK][0], atol=1e-12)
