"""The value; what a file may hold is in test_weights_file."""

from dataclasses import replace

import numpy as np
import pytest

from rcnet_rt import WeightsError
from rcnet_rt.rescoring.weights import DEFAULT_THRESHOLD, baseline
from tests.helpers.networks import random_weights


def test_a_formula_holds_no_network():
    weights = baseline("score")
    assert weights.is_baseline
    assert weights.threshold("auto") == DEFAULT_THRESHOLD
    with pytest.raises(WeightsError, match="'formula:score' are a baseline and hold no network"):
        weights.network_config()
    with pytest.raises(WeightsError, match="unknown baseline"):
        baseline("magic")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"floor": -0.1}, "not negative"),
        ({"baseline_scale": 0.0}, "not negative"),
        ({"raw_threshold": float("nan")}, "must be finite"),
        ({"thresholds": {"auto": 1.1}}, r"thresholds in \[0, 1\]"),
        ({"skeleton": None}, "a network needs its skeleton named"),
        ({"tensors": {}}, "is absent"),
    ],
)
def test_what_does_not_fit_together_is_told(change, message):
    with pytest.raises(WeightsError, match=message):
        replace(random_weights(), **change)


def test_a_tensor_that_is_not_finite_is_told():
    weights = random_weights()
    tensors = {**weights.tensors, "head.bias": np.full(1, np.inf, np.float32)}
    with pytest.raises(WeightsError, match=r"'head\.bias' holds values that are not finite"):
        replace(weights, tensors=tensors)


@pytest.mark.parametrize(
    ("feature_set", "signals"), [("paper", set()), ("signals", {"consensus", "agreement"})]
)
def test_signals_are_those_of_the_features(feature_set, signals):
    assert random_weights("mlp", feature_set).signals == signals


def test_thresholds_by_name_and_number():
    weights = random_weights()
    assert weights.threshold("auto") == 0.4
    assert weights.threshold("p95") == 0.7
    assert weights.threshold("0.25") == weights.threshold(0.25) == 0.25
    for bad in (7, -0.1, "nan"):
        with pytest.raises(WeightsError, match=r"in \[0, 1\]"):
            weights.threshold(bad)
    with pytest.raises(WeightsError, match=r"hold no guaranteed threshold.*eval --min-precision"):
        weights.threshold("guaranteed")
    assured = replace(weights, thresholds={**weights.thresholds, "guaranteed": 0.8})
    assert assured.threshold("guaranteed") == 0.8
    with pytest.raises(WeightsError, match="no threshold 'p95'"):
        replace(weights, thresholds={}).threshold("p95")
