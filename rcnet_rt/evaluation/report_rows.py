"""The rows of a comparison table: label, value, format and direction of every figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rcnet_rt.datasets.crowdpose import EASY, HARD
from rcnet_rt.evaluation.compare import Comparison, ScoreReport

__all__ = ["LEGEND", "Row", "formatted", "points", "rows_of", "sorted_baselines"]

LEGEND = (
    "COCO metrics by faster-coco-eval. Ranking accuracy (share of pairs ranked in the order of "
    "their OKS, ties half), Pearson and AUSE-OKS: over poses matched one to one at OKS >= 0.5. "
    "AUSE-OKS: remove the k lowest scores, k = 0 to N - 1; the mean of 1 - OKS over the rest, "
    "minus the same under the optimal ranking, averaged over k; 0 is optimal. FP: a pose matched "
    "below OKS 0.5; counted if it scores above the lowest TP of its image. ECE: score against "
    "matched OKS in 15 bins, scores clipped to [0, 1]. Ceiling: AP with each pose's "
    "matched OKS as its score. Interval: bootstrap over images."
)


@dataclass(frozen=True)
class Row:
    """One figure: its label, value and format; NaN values are undefined and shown as a dash."""

    label: str
    value: Callable[[ScoreReport], float]
    scale: int = 100
    decimals: int = 2
    lower_is_better: bool = False

    def text(self, value: float, sign: str = "") -> str:
        """Return a value in the row's unit; a dash where it is undefined (NaN)."""
        return formatted(value * self.scale, f"{sign}.{self.decimals}f")

    def change(self, before: ScoreReport, after: ScoreReport) -> tuple[str, bool | None]:
        """Return the formatted difference, and whether it is an improvement; None for neither."""
        difference = self.value(after) - self.value(before)
        text = self.text(difference, "+")
        if not text.strip("+-–0."):
            return text, None
        return text, (difference < 0) == self.lower_is_better


ROWS = (
    Row("AP", lambda report: report.metrics.ap),
    Row("AP50", lambda report: report.metrics.ap50),
    Row("AP75", lambda report: report.metrics.ap75),
    Row("APm", lambda report: report.metrics.ap_medium),
    Row("APl", lambda report: report.metrics.ap_large),
    Row("AR", lambda report: report.metrics.ar),
    Row("ranking accuracy, dataset", lambda report: report.ranking_accuracy),
    Row("ranking accuracy, within image", lambda report: report.ranking_accuracy_within_image),
    Row("Pearson, score and OKS", lambda report: report.pearson),
    Row("AUSE-OKS ↓", lambda report: report.ause, lower_is_better=True),
    Row("FPs above a TP ↓", lambda report: report.misranked.count, 1, 0, True),
    Row("FPs above a TP, per TP ↓", lambda report: report.misranked.per_true_positive, 1, 3, True),
    Row("ECE ↓", lambda report: report.calibration_error, lower_is_better=True),
)

UNDEFINED = "–"

CROWDING = {  # CrowdPose's groups of images
    "easy": f"crowd index < {EASY:g}",
    "medium": f"crowd index < {HARD:g}",
    "hard": f"crowd index ≥ {HARD:g}",
}


def formatted(value: float | None, specification: str) -> str:
    """Return a formatted value; a dash where it is undefined (NaN, in stored figures None)."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    return format(value, specification)


def points(value: float | None, sign: str = "") -> str:
    """Return a value in [0, 1] in points with two decimals; a dash where it is undefined.

    >>> points(0.4711), points(0.013, "+"), points(float("nan"))
    ('47.11', '+1.30', '–')
    """
    return formatted(None if value is None else 100 * value, f"{sign}.2f")


def rows_of(comparison: Comparison) -> tuple[Row, ...]:
    """Return the rows of a comparison, for CrowdPose with AP by crowding."""
    return (*ROWS[:3], *map(_crowding_row, comparison.before.ap_by_crowding), *ROWS[3:])


def sorted_baselines(comparison: Comparison) -> Mapping[str, ScoreReport]:
    """Return the reports of the baselines, the highest AP first."""
    return dict(sorted(comparison.baselines.items(), key=lambda item: -item[1].metrics.ap))


def _crowding_row(group: str) -> Row:
    label = f"AP {group}, {CROWDING[group]}"
    return Row(label, lambda report: report.ap_by_crowding[group])
