"""The rank test of a window: held against enumeration, and against its bound in simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from rcnet_rt.monitoring.window_test import changed_blocks_needed, max_deficit, pairs_not_above


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


def test_what_a_reference_can_carry() -> None:
    assert max_deficit(10, 3, 1e-6) is None
    assert changed_blocks_needed(10, 3, 1e-6) is None
    for reference, window in ((46, 10), (120, 20), (300, 7)):
        needed = changed_blocks_needed(reference, window, 1e-7)
        assert needed is not None
        rest = np.full(window - needed, reference / 2)
        values = np.concatenate([np.full(needed, np.inf), rest])
        deficit = pairs_not_above(np.arange(reference, dtype=float), values)
        limit = max_deficit(reference, window, 1e-7)
        assert limit is not None
        assert deficit <= limit + reference
