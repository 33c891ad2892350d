"""The paired bootstrap over images: draws with replacement, and percentile intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Interval", "draws", "interval"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A difference with its bootstrap percentile interval; NaN where it is undefined."""

    difference: float
    low: float
    high: float


def draws(chosen: npt.NDArray[np.bool_], resamples: int, seed: int) -> Floats:
    """Return (R, I) how often each of I images counts in R resamples with replacement.

    Each row sums to the number of chosen images.

    >>> draws(np.array([True, False, True]), resamples=4, seed=0).sum(axis=1).tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    count = int(chosen.sum())
    drawn = np.zeros((resamples, len(chosen)))
    generator = np.random.default_rng(seed)
    drawn[:, chosen] = generator.multinomial(count, np.full(count, 1 / count), size=resamples)
    return drawn


def interval(difference: float, drawn: npt.ArrayLike, confidence: float) -> Interval:
    """Return a difference with the percentile interval of the resampled ones; NaN is left out."""
    values = np.asarray(drawn, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        return Interval(difference, np.nan, np.nan)
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(difference, float(low), float(high))
