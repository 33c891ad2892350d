"""The page of `benchmarks.speed.pipeline`: its figures as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["text"]

TABLES = {
    "processes": "Whole processes, from the prompt back to the prompt: medians in seconds.",
    "ratios": "How many times as long they take, in the same turn; CPU: of all cores together.",
    "live": "The age of the results of a live source (`--realtime`): from a frame to its result.",
    "core_ms": "Where the core-milliseconds of a frame go. Before: ultralytics runs the model on "
    "all cores; now: a worker of one thread.",
}


def text(results: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        results: of `benchmarks.speed.pipeline.measure`, and the `machine`.
    """
    machine = results["machine"]
    lines = [
        "# Video end to end, as measured",
        "",
        f"{results['video']} with {results['model']}, {results['runs']} turns, on "
        f"{machine['cores']} cores of {machine['cpu']} ({machine['system']}, load "
        f"{machine['load']}). Written by `python -m benchmarks.speed.pipeline --page FILE`.",
    ]
    for name, title in TABLES.items():
        if results[name]:
            lines += ["", title, "", *_table(results[name])]
    total = {key: sum(row[key] for row in results["core_ms"]) for key in ("before", "now")}
    lines += [f"| all | {total['before']:.4g} | {total['now']:.4g} |", ""]
    return "\n".join(lines)


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = list(rows[0])
    return [
        f"| {' | '.join(column.replace('_', ' ') for column in columns)} |",
        f"|{' --- |' * len(columns)}",
        *(f"| {' | '.join(_cell(row[column]) for column in columns)} |" for row in rows),
    ]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
