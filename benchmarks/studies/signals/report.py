"""results.json and FINDINGS.md to RESULTS.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.studies.common import VIEWS, gain_text, provenance_text, read_findings, table

__all__ = ["blocks"]


def blocks(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page's Markdown."""
    yield read_findings(Path(__file__).parent).introduction
    yield provenance_text(results["made"])
    for view, figures in results["tables"].items():
        yield f"## {VIEWS[view].capitalize()}: {figures['images']}"
        yield _gains(figures["rows"])
    yield "## Cost"
    yield _costs(results["costs"])


def _gains(rows: Sequence[Mapping[str, Any]]) -> str:
    over = list(dict.fromkeys(name for row in rows for name in row["gains"]))
    return table(
        ["", "AP", *(f"over {name}" for name in over)],
        (
            [row["name"], f"{row['ap']:.2f}", *(gain_text(row["gains"].get(name)) for name in over)]
            for row in rows
        ),
    )


def _costs(rows: Sequence[Mapping[str, Any]]) -> str:
    return table(
        ["step", "median ms an image", "mean", "share of the inference", "crops an image"],
        (
            [
                row["step"],
                f"{row['median ms']:.2f}",
                f"{row['mean ms']:.2f}",
                f"{100 * row['share of the inference']:.1f} %",
                "" if row["crops"] is None else f"{row['crops']:.2f}",
            ]
            for row in rows
        ),
    )
