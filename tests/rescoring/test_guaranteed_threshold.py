"""The tool that adds guaranteed thresholds to shipped weights, and what the shipped ones hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rcnet_rt.errors import WeightsError
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.correct_probability import CorrectProbability
from rcnet_rt.rescoring.weights import Weights
from tests.helpers.networks import random_weights
from tools.guaranteed_threshold import with_guarantee

POINTS = {"auto": 0.4, "p95": 0.7}
RECORD = {"precision": 0.95, "at_oks": 0.5, "assurance": 0.95, "images": 500}


def trained(**thresholds: float) -> Weights:
    record = RECORD | {"images_needed": None if "guaranteed" in thresholds else 2000}
    training = {"guarantee": record, "correct_probability": {"prior": 0.5}, "version": "2"}
    return replace(random_weights(), thresholds=POINTS | thresholds, training=training, floor=0.5)


def test_the_threshold_is_added_and_nothing_else_changes() -> None:
    before = replace(random_weights(), thresholds=POINTS, training={"version": "1"})
    after = with_guarantee(before, trained(guaranteed=0.75))
    assert after.threshold("guaranteed") == 0.75
    assert after.thresholds == POINTS | {"guaranteed": 0.75}
    assert after.training == {
        "version": "1",
        "guarantee": RECORD | {"images_needed": None},
        "correct_probability": {"prior": 0.5},
    }
    assert after.floor == before.floor
    assert all((after.tensors[name] == tensor).all() for name, tensor in before.tensors.items())


def test_a_refusal_is_recorded_and_takes_an_earlier_threshold_away() -> None:
    before = replace(random_weights(), thresholds=POINTS | {"guaranteed": 0.75})
    after = with_guarantee(before, trained())
    assert after.thresholds == POINTS
    assert after.training["guarantee"]["images_needed"] == 2000


def test_another_training_is_refused() -> None:
    other = replace(random_weights(), thresholds={"auto": 0.4, "p95": 0.8})
    with pytest.raises(WeightsError, match="not the same training"):
        with_guarantee(other, trained(guaranteed=0.9))


@pytest.mark.parametrize("name", sorted(weights_io.available()))
def test_shipped_weights_know_the_probability_of_a_true_positive(name: str) -> None:
    learned = CorrectProbability.of(weights_io.load(weights_io.available()[name]))
    assert learned is not None
    assert learned([0.05])[0] < 0.35
    assert learned([0.9])[0] > 0.9
    assert 0.3 < learned.found < 1


@pytest.mark.parametrize("name", sorted(weights_io.available()))
def test_shipped_weights_hold_the_threshold_or_the_refusal(name: str) -> None:
    weights = weights_io.load(weights_io.available()[name])
    record = weights.training["guarantee"]
    assert (record["precision"], record["assurance"]) == (0.95, 0.95)
    if "guaranteed" in weights.thresholds:
        assert weights.thresholds["p95"] <= weights.threshold("guaranteed") < 1
    else:
        assert record["images_needed"] is None or record["images_needed"] > record["images"]
