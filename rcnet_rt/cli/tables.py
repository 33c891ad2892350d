"""Tables: how wide they are, and the before/after table of `eval` and `train`."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rcnet_rt.evaluation.compare import Comparison, Evaluation
from rcnet_rt.evaluation.report_rows import Row, points, rows_of, sorted_baselines

__all__ = ["comparison_table", "wide_console"]

WIDTH = 120  # where no terminal says how wide it is


def wide_console() -> Console:
    """Return the console for tables: as wide as the terminal or COLUMNS say, else 120 columns."""
    console = Console()
    known = console.is_terminal or "COLUMNS" in os.environ
    return console if known else Console(width=WIDTH)


def comparison_table(evaluation: Evaluation, over: str = "", note: str = "") -> list[Table | Text]:
    """Return what to print: a table of all images, one of those with complete annotations.

    Args:
        evaluation: before and after.
        over: what the images are, such as "held-out images".
        note: a line below the tables, such as how the baseline was chosen.
    """
    parts = [*_part(evaluation.all_images, over or "all images")]
    complete = evaluation.complete_images
    if complete is not None:
        parts += _part(complete, f"{over or 'those'} with complete annotations")
    return [*parts, Text(note)] if note else parts


def _part(comparison: Comparison, title: str) -> Iterator[Table | Text]:
    before, after = comparison.before, comparison.after
    baselines = sorted_baselines(comparison)
    yield Text(
        f"{title}: {comparison.images:,} images, {comparison.people:,} people, "
        f"{comparison.poses:,} poses",
        "bold",
    )
    table = Table()
    table.add_column("x100 but counts; ↓ less is better", no_wrap=True)
    for name in ("raw", *(name.replace("_", " ") for name in baselines), "refined", "change"):
        table.add_column(name, justify="right", vertical="bottom", max_width=14)
    for row in rows_of(comparison):
        values = (row.text(row.value(report)) for report in (before, *baselines.values(), after))
        table.add_row(row.label, *values, _change(row, comparison))
    yield table
    yield Text(_gain(comparison) + "\n")


def _change(row: Row, comparison: Comparison) -> Text:
    """Return the difference, green where it is for the better, red for the worse."""
    text, better = row.change(comparison.before, comparison.after)
    return Text(text) if better is None else Text(text, "green" if better else "red")


def _gain(comparison: Comparison) -> str:
    gain, share = comparison.gain, comparison.headroom_closed
    closed = f": {100 * share:.0f} % of the headroom closed" if share >= 0 else ""
    return (
        f"AP {points(gain.difference, '+')} (95 % interval {points(gain.low, '+')} to "
        f"{points(gain.high, '+')}); ceiling {points(comparison.ceiling)}{closed}"
    )
