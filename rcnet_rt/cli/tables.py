"""The before/after table of `eval` and `train`, and the same as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rcnet_rt.datasets.crowdpose import EASY, HARD
from rcnet_rt.evaluation import Comparison, Evaluation, ScoreReport

__all__ = ["LEGEND", "comparison_table", "evaluation_json", "wide_console"]

WIDTH = 120  # where no terminal says how wide it is

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

    def change(self, before: ScoreReport, after: ScoreReport) -> Text:
        """Return the difference, green where it is for the better, red for the worse."""
        difference = self.value(after) - self.value(before)
        text = self.text(difference, "+")
        if not text.strip("+-–0."):
            return Text(text)
        return Text(text, "green" if (difference < 0) == self.less_is_better else "red")


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


def wide_console() -> Console:
    """Return the console for tables: as wide as the terminal, 120 columns where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def comparison_table(evaluation: Evaluation, over: str = "", note: str = "") -> list[Table | Text]:
    """Return what to print: a table of all images, one of those with complete annotations.

    Args:
        evaluation: before and after.
        over: what the images are, such as "held-out images".
        note: a line under the tables, such as how the formula was chosen.
    """
    parts = [*_part(evaluation.all_images, over or "all images")]
    complete = evaluation.complete_images
    if complete is not None:
        parts += _part(complete, f"{over or 'those'} with complete annotations")
    return [*parts, Text(note)] if note else parts


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return all figures as JSON has them: in [0, 1], None where one does not exist."""
    complete = evaluation.complete_images
    return {
        "all_images": _comparison_json(evaluation.all_images),
        "complete_images": None if complete is None else _comparison_json(complete),
    }


def _part(comparison: Comparison, title: str) -> Iterator[Table | Text]:
    before, after = comparison.before, comparison.after
    peers = sorted(comparison.peers.items(), key=lambda peer: -peer[1].metrics.ap)
    yield Text(
        f"{title}: {comparison.images:,} images, {comparison.people:,} people, "
        f"{comparison.poses:,} poses",
        "bold",
    )
    table = Table()
    table.add_column("x100 but counts; ↓ less is better", no_wrap=True)
    for name in ("raw", *(name.replace("_", " ") for name, _ in peers), "refined", "change"):
        table.add_column(name, justify="right", vertical="bottom", max_width=14)
    for row in (*ROWS[:3], *map(_crowding_row, before.ap_by_crowding), *ROWS[3:]):
        reports = (before, *(report for _, report in peers), after)
        values = (row.text(row.value(report)) for report in reports)
        table.add_row(row.label, *values, row.change(before, after))
    yield table
    yield Text(_gain(comparison) + "\n")


def _crowding_row(group: str) -> Row:
    label = f"AP {group}, {CROWDING[group]}"
    return Row(label, lambda report: _figure(report.ap_by_crowding[group]))


def _gain(comparison: Comparison) -> str:
    gain, share = comparison.gain, comparison.headroom_closed
    closed = f": {100 * share:.0f} % of the headroom closed" if share >= 0 else ""
    return (
        f"AP {100 * gain.difference:+.2f} (95 % interval {100 * gain.low:+.2f} to "
        f"{100 * gain.high:+.2f}); ceiling {100 * comparison.ceiling:.2f}{closed}"
    )


def _figure(value: float) -> float:
    """COCO says -1 where nobody counts."""
    return value if value >= 0 else math.nan


def _comparison_json(comparison: Comparison) -> dict[str, Any]:
    figures = {**asdict(comparison), "headroom_closed": comparison.headroom_closed}
    return {name: _without_nan(value) for name, value in figures.items()}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
