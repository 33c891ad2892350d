"""Two exact tests: held against enumeration, tables, and their level in simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from rcnet_rt.monitoring.significance import max_deficit, pairs_not_above, prediction_limit


@pytest.mark.parametrize(("reference", "window"), [(5, 3), (4, 4), (9, 2), (2, 5)])
def test_the_distribution_is_that_of_all_choices_of_ranks(reference: int, window: int) -> None:
    every = range(reference + window)
    deficits = []
    for chosen in itertools.combinations(every, window):
        rest = np.array([rank for rank in every if rank not in chosen], float)
        deficits.append(pairs_not_above(rest, np.array(chosen, float)))
    for deficit in range(reference * window // 2):
        share = sum(each <= deficit for each in deficits) / len(deficits)
        assert max_deficit(reference, window, share) == deficit
        assert (max_deficit(reference, window, 0.999 * share) or 0) < max(deficit, 1)


def test_exchangeable_windows_alarm_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(0)
    reference, window, level, draws = 20, 4, 0.01, 20_000
    limit = max_deficit(reference, window, level)
    assert limit is not None
    values = rng.standard_exponential((draws, reference + window))
    alarms = sum(
        pairs_not_above(np.sort(row[:reference]), row[reference:]) <= limit for row in values
    )
    error = math.sqrt(level / draws)
    assert level - 6 * error < alarms / draws < level + 3 * error


def test_one_value_of_every_block_is_shared_and_that_does_no_harm() -> None:
    """Exchangeable, but not independent."""
    rng = np.random.default_rng(1)
    limit = max_deficit(20, 4, 0.01)
    assert limit is not None
    shared, own = rng.normal(size=(4000, 1)), rng.normal(size=(4000, 24))
    values = 10 * shared + own
    alarms = sum(pairs_not_above(np.sort(row[:20]), row[20:]) <= limit for row in values)
    assert alarms / 4000 < 0.015


def test_ties_make_alarms_rarer() -> None:
    limit = max_deficit(20, 4, 0.01)
    assert limit is not None
    assert pairs_not_above(np.zeros(20), np.zeros(4)) == 80 > limit
    values = np.random.default_rng(2).integers(0, 3, (4000, 24)).astype(float)
    alarms = sum(pairs_not_above(np.sort(row[:20]), row[20:]) <= limit for row in values)
    assert alarms / 4000 <= 0.01


def test_a_reference_can_be_too_short() -> None:
    assert max_deficit(10, 3, 1e-6) is None


@pytest.mark.parametrize(("count", "level"), [(2, 0.05), (5, 0.01), (20, 0.002), (21, 0.02)])
def test_normal_values_pass_the_limit_as_often_as_the_level_says(count: int, level: float) -> None:
    draws = 100_000
    values = np.random.default_rng(count).normal(7, 3, (draws, count + 1))
    mean, deviation = values[:, :-1].mean(axis=1), values[:, :-1].std(axis=1, ddof=1)
    above = values[:, -1] > mean + prediction_limit(count, level) * deviation
    assert above.mean() == pytest.approx(level, abs=4 * math.sqrt(level / draws))


@pytest.mark.parametrize(("degrees", "level", "quantile"), [(19, 0.0005, 3.883), (1, 0.001, 318.3)])
def test_the_limit_is_that_of_tables(degrees: int, level: float, quantile: float) -> None:
    found = prediction_limit(degrees + 1, level) / math.sqrt(1 + 1 / (degrees + 1))
    assert found == pytest.approx(quantile, rel=1e-3)
