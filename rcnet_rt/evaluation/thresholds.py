"""Precision, recall and F1 at score thresholds, and the threshold that meets a requirement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.metrics import TRUE_POSITIVE

__all__ = [
    "FALSE_POSITIVES",
    "PRECISION",
    "RECALL",
    "OperatingPoint",
    "Requirement",
    "best_f1_threshold",
    "false_positive_threshold",
    "operating_points",
    "precision_threshold",
    "recall_threshold",
]


PRECISION, RECALL, FALSE_POSITIVES = "precision", "recall", "false positives per image"


@dataclass(frozen=True)
class Requirement:
    """What a threshold is to reach.

    Attributes:
        figure: PRECISION, RECALL or FALSE_POSITIVES.
        value: the minimum; for false positives the maximum.
        at_oks: OKS from which a pose is a true positive.
    """

    figure: str
    value: float
    at_oks: float = TRUE_POSITIVE

    def __str__(self) -> str:
        sign = "≤" if self.figure == FALSE_POSITIVES else "≥"
        return f"{self.figure} {sign} {self.value:g}"


@dataclass(frozen=True)
class OperatingPoint:
    """The result of keeping the poses with score >= `threshold`.

    Attributes:
        threshold: the score threshold.
        precision: share of the kept poses that are correct, in [0, 1].
        recall: share of the people that are found, in [0, 1].
        f1: harmonic mean of both, in [0, 1].
        kept: number of kept poses.
        false_positives: number of kept poses that are not correct.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    kept: int
    false_positives: int


def operating_points(
    scores: npt.ArrayLike, oks: npt.ArrayLike, people: int, at_oks: float = TRUE_POSITIVE
) -> list[OperatingPoint]:
    """Return the operating point of each distinct score, the highest score first.

    Args:
        scores: (N,).
        oks: (N,) matched OKS, 0 for duplicates and background; leave out poses of weight 0.
        people: number of people to be found.
        at_oks: OKS from which a pose is correct.

    >>> operating_points([0.9, 0.5], [0.8, 0.1], people=2)[1].precision
    0.5
    """
    score, true = np.asarray(scores, np.float64), np.asarray(oks, np.float64) >= at_oks
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(true[order])
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
    """Return the operating point with the highest F1; None without poses."""
    points = operating_points(scores, oks, people, at_oks)
    return max(points, key=lambda point: point.f1, default=None)


def precision_threshold(
    scores: npt.ArrayLike,
    oks: npt.ArrayLike,
    people: int,
    precision: float = 0.95,
    at_oks: float = TRUE_POSITIVE,
) -> OperatingPoint | None:
    """Return the lowest threshold with at least that precision, or None: the highest recall."""
    points = operating_points(scores, oks, people, at_oks)
    return _lowest([point for point in points if point.precision >= precision])


def recall_threshold(
    scores: npt.ArrayLike,
    oks: npt.ArrayLike,
    people: int,
    recall: float,
    at_oks: float = TRUE_POSITIVE,
) -> OperatingPoint | None:
    """Return the highest threshold with at least that recall, or None."""
    points = operating_points(scores, oks, people, at_oks)
    return next((point for point in points if point.recall >= recall), None)


def false_positive_threshold(
    scores: npt.ArrayLike,
    oks: npt.ArrayLike,
    people: int,
    max_false_positives: float,
    at_oks: float = TRUE_POSITIVE,
) -> OperatingPoint | None:
    """Return the lowest threshold with at most that many false positives in total, or None."""
    points = operating_points(scores, oks, people, at_oks)
    return _lowest([point for point in points if point.false_positives <= max_false_positives])


def _lowest(points: list[OperatingPoint]) -> OperatingPoint | None:
    return min(points, key=lambda point: point.threshold, default=None)
