"""The study of guaranteed thresholds: what it counts, on draws that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.studies.guarantees.__main__ import (
    betting_z,
    by_point_estimate,
    halves,
    judge,
    normal_z,
    population,
)
from rcnet_rt.evaluation.guarantees import ScoredImages
from rcnet_rt.evaluation.thresholds import precision_threshold


def images() -> ScoredImages:
    """One pose and one person an image; the pose of lowest score is wrong."""
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    return ScoredImages(scores, np.array([1.0, 1.0, 1.0, 0.0]), np.arange(4), np.ones(4, int))


def test_kept_refused_and_cost() -> None:
    thresholds = {"low": 0.6, "best": 0.7, "high": 0.9, "above": 0.95, "never": None}
    choices = {
        name: lambda chosen_on, level, value=value: value for name, value in thresholds.items()
    }
    rows = {row["choice"]: row for row in judge(population(images(), 3), 0.9, choices)}
    assert {name: row["kept"] for name, row in rows.items()} == {
        "low": 0, "best": 1, "high": 1, "above": 1, "never": 1
    }  # fmt: skip
    assert {name: row["recall_cost"] for name, row in rows.items()} == {
        "low": 0, "best": 0, "high": pytest.approx(50), "above": pytest.approx(75), "never": None
    }  # fmt: skip
    assert [row["refused"] for row in rows.values()] == [0, 0, 0, 0, 1]
    assert {row["draws"] for row in rows.values()} == {3}


def test_draws() -> None:
    for one, other in halves(images(), 5):
        assert sorted([*one.scores, *other.scores]) == [0.6, 0.7, 0.8, 0.9]
        assert len(one.people) == len(other.people) == 2
    for one, other in population(images(), 5, size=9):
        assert len(one.people) == 9
        assert len(other.people) == 4


def test_tests_reject_what_is_clear_and_nothing_else() -> None:
    good, bad = np.tile([-0.5, -0.4], 200), np.tile([-0.5, 0.6], 200)
    for test in (normal_z, betting_z(5)):
        assert test(good, 0.5) > 3
        assert test(bad, 0.5) < 1.6


def test_the_point_estimate_is_that_of_evaluation() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, oks = rng.integers(1, 20, 40) / 20, rng.uniform(0, 1, 40)
        drawn = ScoredImages(scores, oks, np.arange(40), np.ones(40, int))
        point = precision_threshold(scores, oks, 40, 0.6)
        expected = None if point is None else point.threshold
        assert by_point_estimate(drawn, 0.6) == expected
