"""Metrics of how well scores rank and predict the OKS of poses: pure functions of (N,) arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "Misranked",
    "Reliability",
    "Sparsification",
    "ause_oks",
    "expected_calibration_error",
    "is_misranked",
    "misranked_false_positives",
    "pearson",
    "ranking_accuracy",
    "reliability",
    "sparsification",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

TRUE_POSITIVE = 0.5  # matched OKS from which a pose is a true positive


def ranking_accuracy(
    scores: npt.ArrayLike, oks: npt.ArrayLike, groups: npt.ArrayLike | None = None
) -> float:
    """Return the share of pairs that the scores put in the order of their OKS, in [0, 1].

    Of all pairs with different OKS, or with `groups` (image ids) of those within a group; equal
    scores count half. NaN without such a pair. O(N log N).

    >>> ranking_accuracy([0.9, 0.2, 0.5, 0.5], [0.8, 0.1, 0.3, 0.6])
    0.9166666666666666
    """
    score, similarity = _codes(scores), _codes(oks)
    group = np.zeros(len(score), dtype=np.int64) if groups is None else _codes(groups)
    by_score, by_oks = _both(group, score), _both(group, similarity)
    pairs = _equal_pairs(group) - _equal_pairs(by_oks)
    ties = _equal_pairs(by_score) - _equal_pairs(_both(by_score, similarity))
    wrong = _inversions(by_score[np.lexsort((score, similarity, group))])
    return (pairs - wrong - ties / 2) / pairs if pairs else float("nan")


def pearson(scores: npt.ArrayLike, oks: npt.ArrayLike) -> float:
    """Return the correlation of scores and OKS, in [-1, 1]; NaN where one of them is constant."""
    score, similarity = _floats(scores), _floats(oks)
    if len(np.unique(score)) < 2 or len(np.unique(similarity)) < 2:
        return float("nan")
    return float(np.corrcoef(score, similarity)[0, 1])


@dataclass(frozen=True, eq=False)
class Sparsification:
    """The remaining error when the lowest of N scores are removed.

    Attributes:
        error: (N,) mean of 1 - OKS over the rest after removing k = 0 … N - 1 poses.
        best: (N,) the same under the optimal ranking.
    """

    error: Floats
    best: Floats


def sparsification(scores: npt.ArrayLike, oks: npt.ArrayLike) -> Sparsification:
    """Return the sparsification curves of 1 - OKS (Ilg et al., ECCV 2018, not normalised).

    For equal scores, the expectation over random order is returned.
    """
    error, score = 1 - _floats(oks), _codes(scores)
    tied = (np.bincount(score, error) / np.bincount(score))[score]
    rest = np.arange(1, len(error) + 1)
    kept = np.cumsum(tied[np.argsort(-score, kind="stable")]) / rest
    return Sparsification(kept[::-1], (np.cumsum(np.sort(error)) / rest)[::-1])


def ause_oks(scores: npt.ArrayLike, oks: npt.ArrayLike) -> float:
    """Return the area under the sparsification error of 1 - OKS; 0 is the optimal ranking.

    As in Ilg et al. (ECCV 2018), but not normalised: remove the k lowest scores, k = 0 … N - 1;
    the mean of 1 - OKS over the rest, minus the same under the optimal ranking, averaged over k. In
    units of OKS. NaN without poses.

    >>> ause_oks([0.1, 0.7, 0.9], [0.2, 0.5, 0.9])
    0.0
    """
    curve = sparsification(scores, oks)
    return float((curve.error - curve.best).mean()) if len(curve.error) else float("nan")


@dataclass(frozen=True)
class Misranked:
    """False positives ranked above a true positive: their count, and per true positive."""

    count: int
    per_true_positive: float


def misranked_false_positives(
    scores: npt.ArrayLike, oks: npt.ArrayLike, groups: npt.ArrayLike | None = None
) -> Misranked:
    """Count the false positives ranked above at least one true positive (the paper's table 6).

    True positives have a matched OKS of at least 0.5. A false positive is counted once, if its
    score is above that of the lowest true positive of the same group (image), or of all poses
    without groups. The paper does not say which; only the count within images discriminates,
    because over a whole dataset a single low true positive makes every false positive count.

    >>> misranked_false_positives([0.9, 0.8, 0.7, 0.1], [0.9, 0.0, 0.8, 0.0])
    Misranked(count=1, per_true_positive=0.5)
    """
    count = int(is_misranked(scores, oks, groups).sum())
    true = int((_floats(oks) >= TRUE_POSITIVE).sum())
    return Misranked(count, count / true if true else float("nan"))


def is_misranked(
    scores: npt.ArrayLike, oks: npt.ArrayLike, groups: npt.ArrayLike | None = None
) -> npt.NDArray[np.bool_]:
    """Return an (N,) mask of the false positives that `misranked_false_positives` counts."""
    score, true = _floats(scores), _floats(oks) >= TRUE_POSITIVE
    group = np.zeros(len(score), dtype=np.int64) if groups is None else _codes(groups)
    lowest = np.full(group.max(initial=0) + 1, np.inf)
    np.minimum.at(lowest, group[true], score[true])
    above: npt.NDArray[np.bool_] = ~true & (score > lowest[group])
    return above


@dataclass(frozen=True, eq=False)
class Reliability:
    """B bins of equal width over [0, 1]; means of empty bins are NaN.

    Attributes:
        score: (B,) mean score, clipped to [0, 1].
        oks: (B,) mean OKS.
        count: (B,) number of poses.
    """

    score: Floats
    oks: Floats
    count: Integers


def reliability(scores: npt.ArrayLike, oks: npt.ArrayLike, bins: int = 15) -> Reliability:
    """Return mean score and mean OKS in bins of the score, scores clipped to [0, 1]."""
    score, similarity = np.clip(_floats(scores), 0, 1), _floats(oks)
    place = np.minimum((score * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    divisor = np.where(count > 0, count, np.nan)
    return Reliability(
        np.bincount(place, score, bins) / divisor,
        np.bincount(place, similarity, bins) / divisor,
        count,
    )


def expected_calibration_error(scores: npt.ArrayLike, oks: npt.ArrayLike, bins: int = 15) -> float:
    """Return the mean over poses of |mean score - mean OKS| of their bin, in [0, 1].

    >>> expected_calibration_error([0.25, 0.25, 0.75], [0.0, 0.5, 0.0])
    0.25
    """
    table = reliability(scores, oks, bins)
    filled = table.count > 0
    gap = np.abs(table.score - table.oks)[filled]
    return float(np.average(gap, weights=table.count[filled])) if filled.any() else float("nan")


def _floats(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _codes(values: npt.ArrayLike) -> Integers:
    """Return the rank of each value among the distinct values, from 0."""
    return np.asarray(np.unique(np.asarray(values), return_inverse=True)[1], dtype=np.int64)


def _both(first: Integers, second: Integers) -> Integers:
    """Return codes ordered by the first, then by the second."""
    return first * int(second.max(initial=0) + 1) + second


def _equal_pairs(codes: Integers) -> int:
    """Return the number of pairs with equal codes."""
    counts = np.unique(codes, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def _inversions(values: Integers) -> int:
    """Count the pairs i < j with values[i] > values[j]: merge sort, vectorized per level."""
    codes = _codes(values)
    size = 1 << max(len(codes) - 1, 0).bit_length()
    span = size + 1
    codes = np.concatenate([codes, np.full(size - len(codes), size)])
    total, width = 0, 1
    while width < size:
        blocks = codes.reshape(-1, 2, width)
        offset = np.arange(len(blocks))[:, None] * span
        left, right = (blocks[:, 0] + offset).ravel(), blocks[:, 1] + offset
        not_above = (
            np.searchsorted(left, right, side="right") - np.arange(len(blocks))[:, None] * width
        )
        total += int((width - not_above).sum())
        width *= 2
        codes = np.sort(codes.reshape(-1, width), axis=1)
    return total
