from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcnet_rt.evaluation.metrics import (
    ause_oks,
    expected_calibration_error,
    is_misranked,
    misranked_false_positives,
    pearson,
    ranking_accuracy,
    reliability,
    sparsification,
)

# Few distinct values, so that ties of both kinds occur.
TABLES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=40
).map(lambda rows: np.array(rows, dtype=float).T / [[4], [4], [1]])


def plain_ranking_accuracy(scores: np.ndarray, oks: np.ndarray, groups: np.ndarray) -> float:
    results = [
        0.5 + 0.5 * np.sign((scores[i] - scores[j]) * (oks[i] - oks[j]))
        for i, j in combinations(range(len(scores)), 2)
        if oks[i] != oks[j] and groups[i] == groups[j]
    ]
    return float(np.mean(results)) if results else float("nan")


@given(TABLES)
def test_ranking_accuracy_equals_a_plain_loop(table: np.ndarray) -> None:
    scores, oks, groups = table
    for group in (groups, np.zeros_like(groups)):
        expected = plain_ranking_accuracy(scores, oks, group)
        found = ranking_accuracy(scores, oks, group)
        assert found == pytest.approx(expected, nan_ok=True)
    assert ranking_accuracy(scores, oks) == pytest.approx(found, nan_ok=True)


def test_ranking_accuracy_of_many_poses() -> None:
    """Pair by pair it would be minutes, or 29 GB."""
    rng = np.random.default_rng(0)
    oks = rng.random(60_000)
    assert ranking_accuracy(oks**3, oks) == 1
    assert ranking_accuracy(-oks, oks) == 0
    assert ranking_accuracy(rng.random(60_000), oks) == pytest.approx(0.5, abs=0.01)


def test_pearson() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(50)
    assert pearson(scores, 2 * scores + 1) == pytest.approx(1)
    assert pearson(scores, -scores) == pytest.approx(-1)
    assert pearson([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(0)
    assert np.isnan(pearson([0.5, 0.5], [0.1, 0.2]))


def plain_ause(scores: np.ndarray, oks: np.ndarray) -> float:
    def curve(order: np.ndarray) -> np.ndarray:
        return np.array([(1 - oks[order[removed:]]).mean() for removed in range(len(order))])

    return float((curve(np.argsort(scores)) - curve(np.argsort(oks))).mean())


def test_ause_equals_its_definition() -> None:
    rng = np.random.default_rng(0)
    oks = rng.random(40)
    for scores in (rng.random(40), oks + rng.normal(0, 0.1, 40), -oks):
        assert ause_oks(scores, oks) == pytest.approx(plain_ause(scores, oks))
    assert ause_oks(oks**2, oks) == pytest.approx(0)


def test_ause_of_equal_scores_is_that_of_a_random_order() -> None:
    oks = np.array([0.1, 0.9, 0.5, 0.8])
    rng = np.random.default_rng(0)
    drawn = [plain_ause(rng.permutation(4), oks) for _ in range(4000)]
    assert ause_oks(np.ones(4), oks) == pytest.approx(np.mean(drawn), abs=0.01)


@given(TABLES)
def test_misranked_equals_a_plain_loop(table: np.ndarray) -> None:
    scores, oks, groups = table
    right = oks >= 0.5
    expected = sum(
        any(
            right[other] and groups[other] == groups[pose] and scores[pose] > scores[other]
            for other in range(len(oks))
        )
        for pose in np.flatnonzero(~right)
    )
    found = misranked_false_positives(scores, oks, groups)
    assert found.count == expected
    if right.any():
        assert found.per_true_positive == expected / right.sum()


def test_calibration_error() -> None:
    scores, oks = np.array([0.05, 0.05, 0.95, 1.84]), np.array([0.0, 0.1, 0.5, 0.7])
    table = reliability(scores, oks, bins=10)
    assert table.count.tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert table.score[[0, -1]] == pytest.approx([0.05, 0.975])
    assert table.oks[[0, -1]] == pytest.approx([0.05, 0.6])
    assert expected_calibration_error(scores, oks, bins=10) == pytest.approx(0.375 / 2)
    assert np.isnan(expected_calibration_error([], []))


def test_nothing_to_measure() -> None:
    assert np.isnan(ranking_accuracy([], []))
    assert np.isnan(ause_oks([], []))
    assert np.isnan(pearson([], []))
    assert misranked_false_positives([], []).count == 0


def test_ause_is_the_area_between_the_sparsification_curves() -> None:
    curve = sparsification([0.9, 0.5, 0.1], [0.6, 0.9, 0.5])
    np.testing.assert_allclose(
        curve.error, [1.0 / 3, 0.25, 0.4]
    )  # all, without the last, the first
    np.testing.assert_allclose(curve.best, [1.0 / 3, 0.25, 0.1])
    assert ause_oks([0.9, 0.5, 0.1], [0.6, 0.9, 0.5]) == pytest.approx(0.1)


def test_misranked_poses_are_those_that_are_counted() -> None:
    scores, oks, groups = [0.9, 0.8, 0.7, 0.9, 0.1], [0.0, 0.9, 0.0, 0.4, 0.6], [0, 0, 0, 1, 1]
    assert is_misranked(scores, oks, groups).tolist() == [True, False, False, True, False]
    assert misranked_false_positives(scores, oks, groups).count == 2
