"""What keeping the poses above a threshold gives, and the threshold that meets a demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.metrics import TRUE_POSITIVE

__all__ = [
    "OperatingPoint",
    "best_f1_threshold",
    "false_positive_threshold",
    "operating_points",
    "precision_threshold",
    "recall_threshold",
]


@dataclass(frozen=True)
class OperatingPoint:
    """What keeping the poses with score >= `threshold` gives."""

    threshold: float
    precision: float
    recall: float
    f1: float
    kept: int
    false_positives: int


def operating_points(
    scores: npt.ArrayLike, oks: npt.ArrayLike, people: int, at_oks: float = TRUE_POSITIVE
) -> list[OperatingPoint]:
    """Return the operating point of each distinct score, the highest first.

    Args:
        scores: (N,).
        oks: (N,) matched OKS, 0 for duplicates and background; leave out poses of weight 0.
        people: how many there are to be found.
        at_oks: the OKS from which a pose counts as right.

    >>> operating_points([0.9, 0.5], [0.8, 0.1], people=2)[1].precision
    0.5
    """
    score, right = np.asarray(scores, np.float64), np.asarray(oks, np.float64) >= at_oks
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(right[order])
    last = np.flatnonzero(np.diff(score[order], append=-np.inf))
    return [
        OperatingPoint(
            threshold=float(score[order[end]]),
            precision=float(found[end] / (end + 1)),
            recall=float(found[end] / people) if people else 0.0,
            f1=float(2 * found[end] / (end + 1 + people)),
            kept=int(end + 1),
            false_positives=int(end + 1 - found[end]),
        )
        for end in last
    ]


def best_f1_threshold(
    scores: npt.ArrayLike, oks: npt.ArrayLike, people: int, at_oks: float = TRUE_POSITIVE
) -> OperatingPoint | None:
    """Return the point with the best F1; None without poses."""
    points = operating_points(scores, oks, people, at_oks)
    return max(points, key=lambda point: point.f1, default=None)


def precision_threshold(
    scores: npt.ArrayLike,
    oks: npt.ArrayLike,
    people: int,
    precision: float = 0.95,
    at_oks: float = TRUE_POSITIVE,
) -> OperatingPoint | None:
    """Return the lowest threshold of at least that precision, so the most recall; or None."""
    points = operating_points(scores, oks, people, at_oks)
    return _lowest([point for point in points if point.precision >= precision])


def recall_threshold(
    scores: npt.ArrayLike,
    oks: npt.ArrayLike,
    people: int,
    recall: float,
    at_oks: float = TRUE_POSITIVE,
) -> OperatingPoint | None:
    """Return the highest threshold of at least that recall, so the fewest false ones; or None."""
    points = operating_points(scores, oks, people, at_oks)
    return next((point for point in points if point.recall >= recall), None)


def false_positive_threshold(
    scores: npt.ArrayLike,
    oks: npt.ArrayLike,
    people: int,
    most: float,
    at_oks: float = TRUE_POSITIVE,
) -> OperatingPoint | None:
    """Return the lowest threshold with at most so many false positives in all; or None."""
    points = operating_points(scores, oks, people, at_oks)
    return _lowest([point for point in points if point.false_positives <= most])


def _lowest(points: list[OperatingPoint]) -> OperatingPoint | None:
    return min(points, key=lambda point: point.threshold, default=None)
