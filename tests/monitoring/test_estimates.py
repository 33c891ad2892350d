"""Precision and recall without labels, against plain loops and simulated cameras."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rcnet_rt.monitoring import estimates
from rcnet_rt.monitoring.estimates import (
    MAX_SHIFT,
    STEPS,
    Curve,
    Figure,
    estimate_curve,
    implied_shift,
    score_histogram,
)
from rcnet_rt.rescoring.correct_probability import CorrectProbability

LEARNED = CorrectProbability(
    (1.2, 1.5, 0.1), ((0.01, 0, 0), (0, 0.01, 0), (0, 0, 0.01)), 0.5, 0.8, 0.05, 1000
)


def scores(seed: int = 0, count: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).beta(0.7, 0.7, count)


def correct(score: float, shift: float = 0.0) -> float:
    odds = 1.2 * math.log(score) - 1.5 * math.log(1 - score) + 0.1 + shift
    return 1 / (1 + math.exp(-odds))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_estimates_are_those_of_a_plain_loop(share: float) -> None:
    drawn = np.floor(scores() * STEPS) / STEPS + 0.5 / STEPS  # the middles of the bins
    shift, prior = 0.0, 0.5
    for _ in range(100):
        mean = sum(correct(score, shift) for score in drawn) / len(drawn)
        shift = math.log(mean / (1 - mean)) - math.log(prior / (1 - prior))
    curve = estimate_curve([score_histogram(drawn)], 50, LEARNED, label_shift=share)
    people = sum(correct(score, share * shift) for score in drawn) / 0.8
    assert curve.people == pytest.approx(people / 50)
    for index in (0, 20, 100, 180):
        kept = [score for score in drawn if score >= index / STEPS]
        true = sum(correct(score, share * shift) for score in kept)
        assert curve.thresholds[index] == index / STEPS
        assert curve.kept[index] == pytest.approx(len(kept) / 50)
        assert curve.precision.value[index] == pytest.approx(true / len(kept))
        assert curve.recall.value[index] == pytest.approx(true / people)
        assert curve.f1.value[index] == pytest.approx(2 * true / (len(kept) + people))


def test_intervals_hold_the_estimate_and_are_reproducible() -> None:
    blocks = [score_histogram(scores(seed, 40)) for seed in range(30)]
    curve, again = (estimate_curve(blocks, 300, LEARNED) for _ in range(2))
    for name in ("precision", "recall", "f1"):
        figure, same = getattr(curve, name), getattr(again, name)
        known = ~np.isnan(figure.value)
        assert (figure.low[known] <= figure.value[known]).all()
        assert (figure.value[known] <= figure.high[known]).all()
        assert ((figure.high - figure.low)[known][:150] > 0).all()
        np.testing.assert_array_equal(figure.low, same.low)


def test_alike_blocks_have_narrower_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of poses that are seen again and again there are fewer than it seems."""
    rng = np.random.default_rng(3)
    monkeypatch.setattr(estimates, "CAMERA_DEVIATION", 0.0)
    different = [score_histogram(rng.beta(*rng.uniform(0.3, 3, 2), 40)) for _ in range(30)]
    alike = [np.mean(different, axis=0)] * 30
    widths = [
        np.diff([getattr(estimate_curve(blocks, 300, LEARNED).precision, end)[60]
                 for end in ("low", "high")])[0]
        for blocks in (alike, different)
    ]  # fmt: skip
    assert widths[0] < 0.8 * widths[1]


def test_label_shift_is_recovered() -> None:
    """Where only the share of correct poses is another, it is found without a label."""
    rng = np.random.default_rng(0)
    middles = (np.arange(STEPS) + 0.5) / STEPS
    chance = LEARNED(middles)
    of_right, of_wrong = chance / chance.sum(), (1 - chance) / (1 - chance).sum()
    prior = float(chance.mean())
    for share in (0.3, 0.5, 0.7):
        poses = rng.multinomial(200_000, share * of_right + (1 - share) * of_wrong)
        odds = LEARNED.log_odds(middles)
        shift = implied_shift(odds, poses[None].astype(float), prior)
        found = prior / (1 - prior) * math.exp(shift[0])
        assert found / (1 + found) == pytest.approx(share, abs=0.01)


def test_an_easy_camera_does_not_make_low_scores_correct() -> None:
    easy = score_histogram([0.95] * 300 + [0.05] * 10)
    curve = estimate_curve([easy] * 10, 1000, LEARNED, label_shift=1.0)
    low = 0.05 + 0.5 / STEPS
    odds = 1.2 * math.log(low) - 1.5 * math.log(1 - low) + 0.1
    correct = 310 * curve.precision.value[0] - 300 * curve.precision.value[100]
    assert correct == pytest.approx(10 / (1 + math.exp(-odds - MAX_SHIFT)))


def test_without_poses_nothing_is_estimated() -> None:
    curve = estimate_curve([np.zeros(STEPS)], 10, LEARNED)
    assert np.isnan(curve.precision.value).all()
    assert curve.people == 0
    assert curve.best_f1() is None
    assert curve.lowest_precise(0.5) is None


def test_thresholds() -> None:
    def figure(*values: float) -> Figure:
        return Figure(*(np.array(values),) * 3)

    precision = figure(0.5, 0.96, 0.9, 0.95, 0.97, math.nan)
    f1 = figure(0.6, 0.7, 0.8, 0.75, 0.1, math.nan)
    curve = Curve(np.arange(6) / 6, np.ones(6), precision, f1, f1, 1.0)
    assert curve.best_f1() == 2
    flat = figure(0.6, 0.795, 0.8, 0.8, 0.1, math.nan)
    curve_of_flat = Curve(np.arange(6) / 6, np.ones(6), precision, flat, flat, 1.0)
    assert curve_of_flat.best_f1() == 3
    assert curve.lowest_precise(0.95) == 3, "from 3 on all have it; at 1 a higher one has not"
    assert curve.lowest_precise(0.4) == 0
    assert curve.lowest_precise(0.99) is None
