"""The page of the study of guaranteed thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.studies.common import provenance_text, read_findings, table

__all__ = ["blocks"]

TITLES = {
    "population": "Draws from the population",
    "halves": "Halves",
    "tests": "Other tests",
    "more images": "More images",
}
REACHABLE = "What all images assure"


def blocks(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page's Markdown."""
    findings = read_findings(Path(__file__).parent)
    yield findings.introduction
    for name, title in TITLES.items():
        yield f"## {title}"
        yield findings.sections.get(title, "")
        yield table(
            ("precision", "choice", "draws", "kept %", "refused %", "recall %", "cost in recall"),
            ([f"{row['precision']}", row["choice"], *_cells(row)] for row in results[name]),
        )
    needed = results["images_needed"]
    yield (
        f"From {needed['images']} images {needed['images_needed']:,} are estimated in the median, "
        f"and of as many draws of that size {100 * needed['given_with_images_needed']:.0f} % "
        "give a threshold."
    )
    yield f"## {REACHABLE}"
    yield findings.sections.get(REACHABLE, "")
    yield table(
        ("precision", "scores", "threshold", "recall %", "in hindsight %", "images needed"),
        (
            [
                f"{row['precision']}",
                row["scores"],
                _text(row["threshold"], 1, 4),
                _text(row["recall"], 100, 1),
                _text(row["recall_in_hindsight"], 100, 1),
                _text(row["images_needed"], 1, 0),
            ]
            for row in results["reachable"]
        ),
    )
    yield provenance_text(results["made"])


def _cells(row: Mapping[str, Any]) -> Sequence[str]:
    shares = [_text(row[name], 100, 1) for name in ("kept", "refused", "recall")]
    return [str(row["draws"]), *shares, _text(row["recall_cost"], 1, 2)]


def _text(value: float | None, scale: float, digits: int) -> str:
    return "" if value is None else f"{scale * value:.{digits}f}"
