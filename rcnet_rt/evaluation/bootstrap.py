"""The paired bootstrap over images: draws with replacement, and percentile intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Interval", "draws", "interval"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A difference with its bootstrap interval."""

    difference: float
    low: float
    high: float


def draws(chosen: npt.NDArray[np.bool_], resamples: int, seed: int) -> Floats:
    """Return (R, I) how often each of I images counts, as many in each row as are chosen.

    >>> draws(np.array([True, False, True]), resamples=4, seed=0).sum(axis=1).tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    count = int(chosen.sum())
    drawn = np.zeros((resamples, len(chosen)))
    generator = np.random.default_rng(seed)
    drawn[:, chosen] = generator.multinomial(count, np.full(count, 1 / count), size=resamples)
    return drawn


def interval(difference: float, drawn: npt.ArrayLike, confidence: float) -> Interval:
    """Return the percentile interval of what was drawn; NaN does not count."""
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(np.asarray(drawn, dtype=np.float64), [tail, 1 - tail])
    return Interval(difference, float(low), float(high))
