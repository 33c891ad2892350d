import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcnet_rt import WeightsError
from rcnet_rt.rescoring.calibration import Calibration, fit


def noisy(count=4000, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.random(count)
    return scores, np.clip(scores**2 + rng.normal(0, 0.1, count), 0, 1)


def test_it_finds_the_expected_target():
    scores, targets = noisy()
    calibrated = fit(scores, targets)(scores)
    for low in np.arange(0.05, 0.95, 0.1):
        part = (scores > low) & (scores < low + 0.1)
        assert calibrated[part].mean() == pytest.approx(targets[part].mean(), abs=0.02)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=60))
def test_it_never_changes_the_order_nor_makes_ties(pairs):
    scores, targets = np.array(pairs).T
    calibration = fit(scores, targets)
    grid = np.linspace(0, 1, 501)
    mapped = calibration(grid)
    assert (np.diff(mapped) > 0).all()
    assert mapped[0] == 0
    assert mapped[-1] == pytest.approx(1)


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_equal_scores_share_a_knot(score):
    calibration = fit(np.full(50, score), np.linspace(0, 1, 50))
    assert (np.diff(calibration(np.linspace(0, 1, 101))) > 0).all()
    if score == 0.5:
        assert calibration(np.array([0.5]))[0] == pytest.approx(0.5, abs=1e-3)


def test_poses_without_weight_do_not_count():
    scores, targets = noisy()
    weights = np.ones(len(scores))
    wrong = scores > 0.5
    targets[wrong], weights[wrong] = 0.0, 0.0
    calibration = fit(np.append(scores, 0.99), np.append(targets, 0.9), np.append(weights, 50))
    assert calibration(np.array([0.99]))[0] > 0.8


def test_torch_equals_numpy():
    calibration = fit(*noisy())
    scores = np.random.default_rng(1).random(200)
    np.testing.assert_allclose(calibration(torch.tensor(scores)).numpy(), calibration(scores))


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([0, 1], [0, 0.5, 1]),
        ([0, 0.5, 0.5, 1], [0, 0.1, 0.2, 1]),
        ([0.1, 1], [0, 1]),
        ([0, np.nan, 1], [0, 0.5, 1]),
        ([1], [1]),
    ],
)
def test_maps_that_do_not_increase_are_refused(inputs, outputs):
    with pytest.raises(WeightsError):
        Calibration(np.array(inputs), np.array(outputs))


def test_no_step_is_so_steep_that_rounding_would_show():
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.uniform(0, 1e-5, 500), rng.random(500)])
    learned = fit(scores, np.clip(scores + rng.normal(0.1, 0.1, 1000), 0, 1))
    assert np.diff(learned.inputs).min() >= 1e-3
