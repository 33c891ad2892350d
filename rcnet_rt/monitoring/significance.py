"""How improbable the newest blocks of a stream are, if nothing has changed: two exact tests.

Ranks (Mann and Whitney, 1947): if B reference blocks and the k newest ones are exchangeable, the
ranks of the k among all B + k are any k of them with equal probability. So the number of pairs in
which a new value is not above a reference value has a distribution that is known exactly, whatever
the values are.

Student's t: if n reference values and a new one are independent draws of one normal distribution,
the new one is beyond `prediction_limit` standard deviations from their mean with the probability
that is asked for.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["max_deficit", "pairs_not_above", "prediction_limit"]

BISECTIONS = 60

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


@lru_cache(maxsize=256)
def prediction_limit(count: int, level: float) -> float:
    """Return how many standard deviations above the mean of n values a new one is at `level`.

    Of independent draws of a normal distribution, with the sample's own mean and deviation.

    Args:
        count: n, at least 2.
        level: probability of a value above the limit, in (0, 0.5).

    >>> round(prediction_limit(10, 0.05) / math.sqrt(1.1), 3)  # Student's t, 9 degrees of freedom
    1.833
    """
    low, high = 0.0, 1.0
    while _student_tail(high, count - 1) > level:
        low, high = high, 2 * high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_tail(middle, count - 1) > level else (low, middle)
    return high * math.sqrt(1 + 1 / count)


def _student_tail(t: float, degrees: int) -> float:
    """Return the probability of a value above t >= 0 of Student's t, in closed form.

    Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    angle = math.atan2(t, math.sqrt(degrees))
    cosine, total = math.cos(angle), 0.0
    first = degrees % 2
    term = cosine if first else 1.0
    for power in range(2 + first, degrees + 1, 2):
        total += term
        term *= cosine**2 * (power - 1) / power
    inside = math.sin(angle) * total
    return 0.5 - (2 / math.pi * (angle + inside) if first else inside) / 2


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
