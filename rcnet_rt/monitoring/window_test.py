"""Whether the newest blocks of a stream rank with those of a reference: an exact rank test.

If B reference blocks and the k newest ones are exchangeable, the ranks of the k among all B + k are
any k of them with equal probability. So the number of pairs in which a new value is above a
reference value (the statistic of Mann and Whitney, 1947) has a distribution that is known exactly,
whatever the distribution of the values is, and the probability of a false alarm of one window is at
most `level`. Nothing is assumed about windows together: by linearity, the expected number of false
alarms is at most the number of tests times the level, however dependent they are.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["changed_blocks_needed", "max_deficit", "pairs_not_above"]

Floats = npt.NDArray[np.float64]


def pairs_not_above(reference: Floats, window: Floats) -> int:
    """Return in how many pairs the value of the window is not above that of the reference.

    Args:
        reference: (B,) sorted.
        window: (k,).

    >>> pairs_not_above(np.array([1.0, 2.0, 3.0]), np.array([2.0, 9.0]))
    2
    """
    return int((len(reference) - np.searchsorted(reference, window, side="left")).sum())


@lru_cache(maxsize=256)
def max_deficit(reference: int, window: int, level: float) -> int | None:
    """Return how many pairs of an alarming window may be not above, None if even 0 is too many.

    The largest d such that P(pairs not above <= d) <= level for exchangeable values; where values
    are tied the probability is lower still.

    Args:
        reference: number B of reference blocks.
        window: number k of new blocks.
        level: largest probability of a false alarm of this window.

    >>> max_deficit(10, 2, 1 / 66), max_deficit(10, 2, 1 / 67)  # 66 ways to choose 2 of 12
    (0, None)
    """
    allowed = math.floor(level * math.comb(reference + window, window))
    if allowed < 1:
        return None
    counts = _box_partitions(reference, window, reference * window // 2)
    total = 0
    for deficit, count in enumerate(counts):
        total += count
        if total > allowed:
            return deficit - 1
    return len(counts) - 1


def changed_blocks_needed(reference: int, window: int, level: float) -> int | None:
    """Return how many blocks of a window must be above the whole reference to give an alarm.

    The others are taken to lie at the median of the reference. None if a full window is not enough.

    >>> changed_blocks_needed(100, 5, 1e-7), changed_blocks_needed(100, 10, 1e-7)
    (5, 8)
    """
    deficit = max_deficit(reference, window, level)
    return None if deficit is None else window - 2 * deficit // reference


def _box_partitions(reference: int, window: int, largest: int) -> list[int]:
    """Return for u = 0 … `largest` how many choices of ranks have u pairs not above.

    The coefficients of the Gaussian binomial (B + k choose k)_q.
    """
    counts = [1] + [0] * largest
    for part in range(1, window + 1):
        for total in range(largest, reference + part - 1, -1):
            counts[total] -= counts[total - reference - part]
        for total in range(part, largest + 1):
            counts[total] += counts[total - part]
    return counts
