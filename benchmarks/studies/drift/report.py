"""The page of the study of drift."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.studies.common import provenance_text, read_findings, table

__all__ = ["PARTS", "blocks"]

PARTS = ("delays", "other takes", "segments", "simulated", "cost")
TITLES = {
    "delays": "How soon a shift is noticed",
    "other takes": "Other frames of the same camera, without a shift",
    "segments": "Shuffled segments of real clips, without a shift",
    "simulated": "Simulated statistics, without a shift",
    "cost": "Cost",
}
FIRST = 3  # statistics that are named
Rows = Sequence[Mapping[str, Any]]


def blocks(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page's Markdown."""
    findings = read_findings(Path(__file__).parent)
    yield findings.introduction
    for part, title in ((part, title) for part, title in TITLES.items() if part in results):
        yield f"## {title}"
        yield findings.sections.get(title, "")
        yield TABLES[part](results[part]["rows"])
        yield provenance_text(results[part]["made"])


def _delays(rows: Rows) -> str:
    """One row a shift, one column a clip, and one for the content that came later."""
    clips = [(row["clip"], row["content"]) for row in rows]
    columns = list(dict.fromkeys(clips))
    shifts = list(dict.fromkeys(row["shift"] for row in rows))
    found = {(row["shift"], row["clip"], row["content"]): row for row in rows}
    return table(
        ["shift", *(_title(*column) for column in columns), "first noticed"],
        (
            [
                shift,
                *(_frames(found.get((shift, *column))) for column in columns),
                _named([row for row in rows if row["shift"] == shift]),
            ]
            for shift in shifts
        ),
    )


def _title(clip: str, content: str) -> str:
    name = clip.removeprefix("pose2sim/").removesuffix(".mp4")
    return name if content == "same" else f"{name}, later frames"


def _named(rows: Rows) -> str:
    """Return the statistics that were first in some clip."""
    names: dict[str, None] = {}
    for row in rows:
        names |= dict.fromkeys(
            what for what, after in row["alarms"].items() if after == row["first"]
        )
    return ", ".join(list(names)[:FIRST])


def _other_takes(rows: Rows) -> str:
    return table(
        ["reference", "frames", "stream", "frames", "alarms after frames"],
        (
            [
                row["reference"],
                str(row["reference_frames"]),
                row["stream"],
                str(row["stream_frames"]),
                ", ".join(f"{what} {after}" for what, after in row["alarms"].items()) or "none",
            ]
            for row in rows
        ),
    )


def _segments(rows: Rows) -> str:
    return table(
        [
            "frames of",
            "reference",
            "stream",
            "draws",
            "streams with an alarm %",
            "alarms / million",
        ],
        (
            [
                row["frames"],
                str(row["reference"]),
                str(row["stream"]),
                str(row["draws"]),
                f"{100 * row['streams_with_alarm']:.1f}",
                f"{row['alarms_per_million']:.0f}",
            ]
            for row in rows
        ),
    )


def _simulated(rows: Rows) -> str:
    return table(
        ["correlated over", "reference", "block", "streams", "with an alarm %", "by ranks alone %"],
        (
            [
                str(row["correlated_frames"]),
                str(row["reference"]),
                str(row["block"]),
                str(row["streams"]),
                f"{100 * row['with_alarm']:.0f}",
                f"{100 * row['with_alarm_by_ranks']:.0f}",
            ]
            for row in rows
        ),
    )


def _cost(rows: Rows) -> str:
    return table(
        ["drift alarm", "rounds", "CPU ms a frame", "stage, median ms"],
        (
            [
                "with" if row["drift_alarm"] else "without",
                str(row["rounds"]),
                f"{row['cpu_ms']:.2f}",
                "" if row["stage_ms"] is None else f"{row['stage_ms']:.2f}",
            ]
            for row in rows
        ),
    )


def _frames(row: Mapping[str, Any] | None) -> str:
    """Return when a shift was noticed; "-" for never, nothing where it was not tried."""
    return "" if row is None else str(row["first"] or "-")


TABLES: dict[str, Callable[[Rows], str]] = {
    "delays": _delays,
    "other takes": _other_takes,
    "segments": _segments,
    "simulated": _simulated,
    "cost": _cost,
}
