"""The page of the study of a camera's profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.studies.common import provenance_text, read_findings, table

__all__ = ["blocks"]

METHODS = ("plain calibration", "halfway", "label shift")
ROLES = {"reported": "Precision", "chosen on": "What was chosen on other shifts"}
RECALL, INTERVALS, THRESHOLDS = "Recall", "Intervals", "Thresholds"


def blocks(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page's Markdown."""
    findings = read_findings(Path(__file__).parent)
    yield findings.introduction
    for role, title in ROLES.items():
        yield f"## {title}"
        yield findings.sections.get(title, "")
        yield _errors(results, role, "precision")
    yield f"## {RECALL}"
    yield findings.sections.get(RECALL, "")
    yield _errors(results, "reported", "recall")
    yield f"## {INTERVALS}"
    yield findings.sections.get(INTERVALS, "")
    yield table(
        ("shift", "precision inside %", "width", "recall inside %", "width"),
        (
            [
                row["shift"],
                *(
                    f"{scale * row[f'{name}_{part}']:.1f}"
                    for name in ("precision", "recall")
                    for part, scale in (("inside", 100), ("width", 1))
                ),
            ]
            for row in results["intervals"]
            if row["role"] == "reported"
        ),
    )
    yield f"## {THRESHOLDS}"
    yield findings.sections.get(THRESHOLDS, "")
    yield table(
        ("shift", *(label for label, _ in COLUMNS)),
        (
            [row["shift"], *(_percent(row[name]) for _, name in COLUMNS)]
            for row in results["thresholds"]
        ),
    )
    yield provenance_text(results["made"])


COLUMNS = (
    ("F1 of the profile", "f1_profile"),
    ("of `auto`", "f1_auto"),
    ("best", "f1_best"),
    ("precision where 0.9 is asked for", "precision_profile"),
    ("its recall", "recall_profile"),
    ("best recall with 0.9", "recall_best"),
    ("precision of `p95`", "precision_p95"),
)


def _errors(results: Mapping[str, Any], role: str, figure: str) -> str:
    """Return the errors of a figure by shift: largest and, in brackets, mean size."""
    rows: dict[str, dict[str, str]] = {}
    for row in results["errors"]:
        if row["role"] == role:
            text = f"{row[f'{figure}_largest']:+.1f} ({row[f'{figure}_mean']:.1f})"
            rows.setdefault(row["shift"], {})[row["method"]] = text
    return table(("shift", *METHODS), ([shift, *cells.values()] for shift, cells in rows.items()))


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"
