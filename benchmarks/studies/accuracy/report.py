"""results.json and FINDINGS.md to RESULTS.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.studies.accuracy.parts import PARTS
from benchmarks.studies.accuracy.study import CHANGE
from benchmarks.studies.common import (
    VIEWS,
    gain_text,
    provenance_text,
    read_findings,
    store,
    table,
    write_page,
)

__all__ = ["blocks", "keep"]


def keep(folder: Path, part: str, result: dict[str, Any]) -> None:
    """Put a part into results.json, beside the parts that are there, and write RESULTS.md."""
    write_page(folder, blocks(store(folder, PARTS, part, result)))


def blocks(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page's Markdown."""
    yield read_findings(Path(__file__).parent).introduction
    for name, part in results.items():
        yield f"## {PARTS[name].title}"
        yield provenance_text(part["made"])
        for estimator, tables in part["estimators"].items():
            for view, words in VIEWS.items():
                figures = tables[view]
                yield (
                    f"### {estimator}: {words} ({figures['images']} images, "
                    f"{figures['people']} people)"
                )
                yield _table(figures)


def _table(figures: Mapping[str, Any]) -> str:
    over = figures["over"]
    changed = f"AP of an image changed by > {CHANGE:g}: fell / rose"
    head = ["scores", "AP", *(f"over {name}" for name in over), changed]
    return table(head, (_row(row, over) for row in figures["rows"]))


def _row(row: Mapping[str, Any], over: list[str]) -> list[str]:
    if "ap" not in row:
        return [row["name"], *[""] * (len(over) + 2)]
    spread = "" if row["spread"] is None else f" ± {row['spread']:.2f}"
    gains = (gain_text(row["gains"].get(name)) for name in over)
    changed = row["images"]
    return [
        row["name"],
        f"{row['ap']:.2f}{spread}",
        *gains,
        f"{changed['fall']:.0f} / {changed['rise']:.0f}",
    ]
