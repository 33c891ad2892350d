"""P(correct | score): its value, its draws, and what a file may hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rcnet_rt.errors import WeightsError
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.correct_probability import RECORD, CorrectProbability
from rcnet_rt.rescoring.weights import baseline

LEARNED = CorrectProbability(
    (0.8, 2.6, -0.6), ((0.01, 0, 0), (0, 0.02, 0), (0, 0, 0.03)), 0.5, 0.73, 0.1, 1540
)


def test_it_never_falls_and_takes_every_score() -> None:
    values = LEARNED(np.linspace(0, 1, 500))
    assert (np.diff(values) >= 0).all()
    assert 0 < values[0] < 0.01
    assert 0.99 < values[-1] < 1


def test_draws_have_the_covariance() -> None:
    odds = LEARNED.log_odds([0.5, 0.9], draws=20_000)
    assert odds.shape == (20_001, 2)
    columns = np.stack([np.log([0.5, 0.9]), -np.log([0.5, 0.1]), np.ones(2)], axis=1)
    np.testing.assert_allclose(odds[0], columns @ LEARNED.coefficients)
    variance = (columns**2) @ np.diag(LEARNED.covariance)
    np.testing.assert_allclose(odds[1:].var(axis=0), variance, rtol=0.05)


def test_it_survives_a_weights_file(tmp_path: Path) -> None:
    weights = replace(weights_io.find("top-down"), training={RECORD: LEARNED.record()})
    weights_io.save(weights, tmp_path / "a.safetensors")
    assert CorrectProbability.of(weights_io.load(tmp_path / "a.safetensors")) == LEARNED
    assert CorrectProbability.of(baseline("score")) is None


@pytest.mark.parametrize(
    "change",
    [
        {"coefficients": (0.8, -2.6, 0.0)},
        {"coefficients": (0.8, 2.6)},
        {"coefficients": (np.nan, 2.6, 0.0)},
        {"covariance": ((1, 2, 0), (0, 1, 0), (0, 0, 1))},
        {"prior": 1.0},
        {"found": 0.0},
        {"found_deviation": -1.0},
        {"found": "most"},
        {"covariance": 3},
    ],
)
def test_damage_is_told(change: dict[str, Any]) -> None:
    weights = replace(baseline("score"), training={RECORD: {**LEARNED.record(), **change}})
    with pytest.raises(WeightsError, match="damaged"):
        CorrectProbability.of(weights)


def test_the_fingerprint_is_that_of_the_scores() -> None:
    weights = weights_io.find("yolo-pose")
    assert len(weights.fingerprint) == 12
    assert replace(weights, name="x", thresholds={}, training={}).fingerprint == weights.fingerprint
    tensors = {name: tensor.copy() for name, tensor in weights.tensors.items()}
    next(iter(tensors.values())).flat[0] += 1e-3
    for other in (
        replace(weights, floor=0.1),
        replace(weights, calibration=None),
        replace(weights, tensors=tensors),
    ):
        assert other.fingerprint != weights.fingerprint
