"""results.json, shaken.json and FINDINGS.md to RESULTS.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.studies.common import read_findings, table

__all__ = ["blocks"]

Row = Mapping[str, Any]

CELLS: Mapping[str, Callable[[Row], str]] = {
    "changes, a person-second": lambda row: f"{row['changes']}, {row['a person-second']:.2f}",
    "drops, of which with a pose found": lambda row: f"{row['drops']}, {row['drops of poses']}",
    "people kept a frame": lambda row: f"{row['kept a frame']:.2f}",
    "newcomers wait, ms": lambda row: f"{row['delay ms']:.0f}",
    "mean change of a score from frame to frame": lambda row: f"{row['score step']:.3f}",
}


def blocks(folder: Path) -> Iterator[str]:
    """Yield the page's Markdown from the results in a folder."""
    results, shaken = (_read(folder / f"{name}.json") for name in ("results", "shaken"))
    findings = read_findings(Path(__file__).parent)
    yield findings.introduction
    if results:
        yield _made("videos", results)
        for video in results["videos"]:
            name = video["video"]
            yield (
                f"## {name}: {video['frames']} frames at {video['frames a second']:g} a second, "
                f"{video['poses a frame']:.1f} poses a frame"
            )
            yield findings.sections.get(name, "")
            rows = [row for row in results["flicker"] if row["video"] == name]
            for title, cell in CELLS.items():
                yield _by_threshold(title, rows, "way", cell, results["auto"])
        yield "## Added latency"
        yield findings.sections["latency"]
        columns = ("video", "frames", "tracks us", "smoothing us", "hysteresis us")
        latencies = results["added latency"]
        yield table(columns, ([str(row[name]) for name in columns] for row in latencies))
        yield "## Other constants"
        yield findings.sections["constants"]
        yield _by_threshold(
            "changes, drops, people kept a frame",
            results["other constants"],
            "constants",
            lambda row: f"{row['changes']}, {row['drops']}, {row['kept a frame']:.2f}",
            results["auto"],
        )
    if shaken:
        yield "## Shaken images: AP with ground truth"
        yield findings.sections["shaken"]
        yield _made("shaken", shaken)
        yield table(
            ["images", "score", "way", "AP", "change"],
            (
                [row["images"], row["score"], row["way"], f"{row['AP']:.2f}", _change(row)]
                for row in shaken["AP"]
            ),
        )


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _made(part: str, results: Row) -> str:
    where = results["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in where["packages"].items())
    return (
        f"`python -m benchmarks.studies.flicker --part {part}`: {where['cores']} cores of "
        f"{where['cpu']}, shared with other work; Python {where['python']}, {packages}."
    )


def _by_threshold(
    title: str, rows: Iterable[Row], column: str, cell: Callable[[Row], str], auto: float
) -> str:
    """Return a table with a row for each value of a column and a column for each threshold."""
    by_name: dict[str, dict[float, str]] = {}
    for row in rows:
        by_name.setdefault(row[column], {})[row["threshold"]] = cell(row)
    thresholds = list(next(iter(by_name.values())))
    head = [f"{threshold:g}{' (auto)' * (threshold == auto)}" for threshold in thresholds]
    return table([title, *head], ([name, *cells.values()] for name, cells in by_name.items()))


def _change(row: Row) -> str:
    return "" if row["way"] == "alone" else f"{row['change']:+.2f} {row['interval']}"
