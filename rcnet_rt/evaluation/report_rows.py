"""The figures of a comparison, row by row: how each is called, found, written and explained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rcnet_rt.datasets.crowdpose import EASY, HARD
from rcnet_rt.evaluation.compare import Comparison, ScoreReport

__all__ = ["LEGEND", "Row", "rows_of", "sorted_peers"]

LEGEND = (
    "COCO figures by faster-coco-eval. Ranking accuracy (share of pairs in the order of their "
    "OKS, ties half), Pearson and AUSE-OKS: over the poses matched one to one at OKS 0.5 or more. "
    "AUSE-OKS: remove the k lowest scores, k = 0 to N - 1; the mean of 1 - OKS over the rest, "
    "minus the same under the best order, averaged over k; 0 is a perfect order. FP: a pose "
    "matched below OKS 0.5; it counts if it scores above the lowest TP of its image. ECE: score "
    "against matched OKS in 15 bins, scores brought into [0, 1]. Ceiling: AP with each pose's "
    "matched OKS as its score. Interval: bootstrap over images."
)


@dataclass(frozen=True)
class Row:
    """One figure: how it is called, found and written."""

    label: str
    value: Callable[[ScoreReport], float]
    scale: int = 100
    decimals: int = 2
    less_is_better: bool = False

    def text(self, value: float, sign: str = "") -> str:
        """Return a value in the row's unit; a dash where it does not exist."""
        return f"{value * self.scale:{sign}.{self.decimals}f}" if math.isfinite(value) else "–"

    def change(self, before: ScoreReport, after: ScoreReport) -> tuple[str, bool | None]:
        """Return the difference in words, and whether it is for the better; None for neither."""
        difference = self.value(after) - self.value(before)
        text = self.text(difference, "+")
        if not text.strip("+-–0."):
            return text, None
        return text, (difference < 0) == self.less_is_better


ROWS = (
    Row("AP", lambda report: _figure(report.metrics.ap)),
    Row("AP50", lambda report: _figure(report.metrics.ap50)),
    Row("AP75", lambda report: _figure(report.metrics.ap75)),
    Row("APm", lambda report: _figure(report.metrics.ap_medium)),
    Row("APl", lambda report: _figure(report.metrics.ap_large)),
    Row("AR", lambda report: _figure(report.metrics.ar)),
    Row("ranking accuracy, data set", lambda report: report.ranking_accuracy),
    Row("ranking accuracy, within image", lambda report: report.ranking_accuracy_within_image),
    Row("Pearson, score and OKS", lambda report: report.pearson),
    Row("AUSE-OKS ↓", lambda report: report.ause, less_is_better=True),
    Row("FPs above a TP ↓", lambda report: report.misranked.count, 1, 0, True),
    Row("FPs above a TP, per TP ↓", lambda report: report.misranked.per_true_positive, 1, 3, True),
    Row("ECE ↓", lambda report: report.calibration_error, less_is_better=True),
)

CROWDING = {  # CrowdPose's groups of images
    "easy": f"crowd index < {EASY:g}",
    "medium": f"crowd index < {HARD:g}",
    "hard": f"crowd index ≥ {HARD:g}",
}


def rows_of(comparison: Comparison) -> tuple[Row, ...]:
    """Return the rows of a comparison; CrowdPose has AP by crowding too."""
    return (*ROWS[:3], *map(_crowding_row, comparison.before.ap_by_crowding), *ROWS[3:])


def sorted_peers(comparison: Comparison) -> Mapping[str, ScoreReport]:
    """Return the other scores, the best AP first."""
    return dict(sorted(comparison.peers.items(), key=lambda peer: -peer[1].metrics.ap))


def _crowding_row(group: str) -> Row:
    label = f"AP {group}, {CROWDING[group]}"
    return Row(label, lambda report: _figure(report.ap_by_crowding[group]))


def _figure(value: float) -> float:
    """COCO says -1 where nobody counts."""
    return value if value >= 0 else math.nan
