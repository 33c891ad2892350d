"""The tool that adds P(correct | score) to shipped weights."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rcnet_rt.errors import WeightsError
from rcnet_rt.rescoring.correct_probability import RECORD, CorrectProbability
from tests.helpers.networks import random_weights
from tools.correct_probability import with_correct_probability

LEARNED = CorrectProbability((0.8, 2.6, -0.6), ((0.01,) * 3,) * 3, 0.5, 0.73, 0.1, 1540)
THRESHOLDS = {"auto": 0.4, "p95": 0.7}


def test_it_is_copied_and_nothing_else_changes() -> None:
    before = replace(random_weights(), thresholds=THRESHOLDS)
    again = replace(before, training={RECORD: LEARNED.record()}, floor=0.5)
    after = with_correct_probability(before, again)
    assert CorrectProbability.of(after) == LEARNED
    assert after.training == {**before.training, RECORD: LEARNED.record()}
    assert after.fingerprint == before.fingerprint


def test_another_training_and_one_without_it_are_refused() -> None:
    before = replace(random_weights(), thresholds=THRESHOLDS)
    with pytest.raises(WeightsError, match="all correct or all incorrect"):
        with_correct_probability(before, before)
    other = replace(before, thresholds={**THRESHOLDS, "p95": 0.8})
    with pytest.raises(WeightsError, match="another training"):
        with_correct_probability(before, other)
