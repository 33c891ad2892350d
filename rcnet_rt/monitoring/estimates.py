"""Precision and recall without labels, from the refined scores of a camera's poses.

Precision at a threshold is the mean probability of a true positive over the poses kept. Recall is
the expected number of true positives kept over that of all people, and people are those that the
estimator reports at all, divided by the share that it finds on labeled images: recall is relative.

Where the camera differs from the labeled images, the same score means something else. Two extremes
can be computed. Either P(correct | score) holds, or only the share of correct poses has changed,
and the scores of true and of false positives are distributed as before (label shift: Saerens et
al., 2002).
The estimate is halfway in the log-odds; the interval has everything between, and a deviation of the
log-odds beyond that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.bootstrap import draws
from rcnet_rt.rescoring.correct_probability import CorrectProbability, logistic

__all__ = [
    "CONFIDENCE",
    "MAX_SHIFT",
    "STEPS",
    "Curve",
    "Figure",
    "estimate_curve",
    "score_histogram",
]

Floats = npt.NDArray[np.float64]

STEPS = 200  # thresholds: multiples of 1 / STEPS
RESAMPLES = 400
CONFIDENCE = 0.95  # of the intervals
HALFWAY = 0.5
# Of the log-odds, between cameras: 0.16 over the four kinds of shift that the study in
# `benchmarks/studies/profile` chooses on, and four are few.
CAMERA_DEVIATION = 0.2
# On an easy camera with hardly a low score label shift would take every pose for correct; shifted
# images have up to 1.5.
MAX_SHIFT = 1.5  # of the log-odds
ROUNDS = 100  # of the fixed point of label shift
MIN_SHARE = 1e-3  # of correct poses: keeps the fixed point away from 0 and 1


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure at T thresholds, with its interval; NaN where no pose is kept.

    Attributes:
        value: (T,) estimate.
        low: (T,) lower end of the interval.
        high: (T,) upper end of it.
    """

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Curve:
    """Estimated figures at T rising thresholds.

    Attributes:
        thresholds: (T,) refined scores.
        kept: (T,) poses kept per frame.
        precision: share of the kept poses that are correct.
        recall: share of the people that are found; relative, see the module.
        f1: harmonic mean of both.
        people: expected number of people per frame.
    """

    thresholds: Floats
    kept: Floats
    precision: Figure
    recall: Figure
    f1: Figure
    people: float

    def best_f1(self) -> int | None:
        """Return the index of the highest threshold with the best F1; None without poses."""
        values = np.nan_to_num(self.f1.value)
        return int(np.flatnonzero(values == values.max())[-1]) if values.any() else None

    def lowest_precise(self, min_precision: float) -> int | None:
        """Return the index of the lowest threshold from which on precision is at least that."""
        enough = np.isnan(self.precision.value) | (self.precision.value >= min_precision)
        below = np.flatnonzero(~enough)
        first = int(below[-1]) + 1 if len(below) else 0
        reached = first < len(enough) and not np.isnan(self.precision.value[first])
        return first if reached else None


def score_histogram(scores: npt.ArrayLike) -> Floats:
    """Return (STEPS,) counts of (N,) refined scores in bins of width 1 / STEPS.

    A bin holds the scores from its threshold on; a score of 1 is in the last one.

    >>> score_histogram([0.0, 0.004, 0.5, 1.0])[[0, 1, 100, 199]].tolist()
    [2.0, 0.0, 1.0, 1.0]
    """
    bins = (np.asarray(scores, np.float64) * STEPS).astype(np.int64)
    return np.bincount(np.clip(bins, 0, STEPS - 1), minlength=STEPS).astype(np.float64)


def estimate_curve(
    blocks: npt.ArrayLike,
    frames: int,
    learned: CorrectProbability,
    *,
    label_shift: float = HALFWAY,
    seed: int = 0,
) -> Curve:
    """Estimate precision, recall and F1 at every threshold.

    The intervals are percentiles over draws that vary what is not known: which stretches of time
    were seen (blocks of frames are drawn with replacement), which images were labeled, how many
    people the estimator misses, how far label shift explains what is different here, and a
    deviation of this camera from all that. They do not cover a camera that deviates far more.

    Args:
        blocks: (B, STEPS) `score_histogram` of the poses in each block of consecutive frames.
        frames: their number of frames in all.
        learned: P(correct | score) of the weights.
        label_shift: share of label shift in the estimates, in [0, 1].
        seed: of the draws.
    """
    counts = np.asarray(blocks, np.float64)
    random = np.random.default_rng(seed)
    present = np.ones(len(counts), np.bool_)
    shares = np.concatenate([np.ones((1, len(counts))), draws(present, RESAMPLES, seed)])
    poses = shares @ counts
    middles = (np.arange(STEPS) + 0.5) / STEPS
    log_odds = learned.log_odds(middles, RESAMPLES, seed)
    part = np.concatenate([[label_shift], random.uniform(0, 1, RESAMPLES)])
    deviation = np.append(0.0, random.normal(0, CAMERA_DEVIATION, RESAMPLES))
    shift = part * implied_shift(log_odds, poses, learned.prior) + deviation
    correct = poses * logistic(log_odds + shift[:, None])
    found = np.concatenate(
        [[learned.found], random.normal(learned.found, learned.found_deviation, RESAMPLES)]
    )
    people = correct.sum(axis=1) / np.clip(found, MIN_SHARE, 1)
    kept, true = (np.cumsum(each[:, ::-1], axis=1)[:, ::-1] for each in (poses, correct))
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = true / kept, true / people[:, None]
        f1 = 2 * true / (kept + people[:, None])
    return Curve(
        thresholds=np.arange(STEPS) / STEPS,
        kept=kept[0] / max(frames, 1),
        precision=_figure(precision),
        recall=_figure(recall),
        f1=_figure(f1),
        people=float(people[0] / max(frames, 1)),
    )


def implied_shift(log_odds: Floats, poses: Floats, prior: float) -> Floats:
    """Return (R,) what label shift adds to the log-odds of a true positive.

    The share of correct poses here is the one that it implies itself: expectation maximisation.

    Args:
        log_odds: (R, T) by the labeled images.
        poses: (R, T) numbers of poses here.
        prior: share of correct poses on the labeled images.
    """
    before = np.log(prior / (1 - prior))
    shift = np.zeros(len(log_odds))
    total = np.maximum(poses.sum(axis=1), 1e-9)
    for _ in range(ROUNDS):
        share = (poses * logistic(log_odds + shift[:, None])).sum(axis=1) / total
        share = np.clip(share, MIN_SHARE, 1 - MIN_SHARE)
        shift = np.log(share / (1 - share)) - before
    return np.clip(shift, -MAX_SHIFT, MAX_SHIFT)


def _figure(drawn: Floats) -> Figure:
    """Return the first row with the percentiles of the others."""
    value, others = drawn[0], drawn[1:]
    known = ~np.isnan(others)
    low, high = np.full_like(value, np.nan), np.full_like(value, np.nan)
    some = known.any(axis=0) & ~np.isnan(value)
    if some.any():
        tail = (1 - CONFIDENCE) / 2
        low[some], high[some] = np.nanquantile(others[:, some], [tail, 1 - tail], axis=0)
    return Figure(value, np.fmin(low, value), np.fmax(high, value))
