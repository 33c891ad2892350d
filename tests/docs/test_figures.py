"""Figures on summary pages are those of the pages that they were copied from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?")
STUDIES = "benchmarks/studies"


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def table_after(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its two head lines."""
    below = text_of(page).partition(f"\n## {heading}\n")[2]
    lines = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert lines is not None, f"{page}: no table below {heading}"
    rows = [line.strip("|\n ").split("|") for line in lines[0].splitlines()[2:]]
    return [[cell.strip(" *") for cell in row] for row in rows]


@pytest.mark.parametrize(
    ("page", "heading"), [("README.md", "What it gains"), ("docs/performance.md", "Accuracy")]
)
def test_gains_are_those_of_the_model_cards(page: str, heading: str) -> None:
    rows = table_after(page, heading)
    assert len(rows) >= 7
    for estimator, weights, *figures in rows:
        card = text_of(f"weights/{weights.strip('`')}.md")
        cells = [re.split(r" \| | \(`", line) for line in card.splitlines()]
        assert any(set(figures) <= {cell.strip("| ") for cell in row} for row in cells), estimator


@pytest.mark.parametrize(
    ("page", "heading", "source"),
    [
        ("docs/performance.md", "One call", "benchmarks/speed/README.md"),
        ("docs/performance.md", "A video", "benchmarks/speed/README.md"),
        ("docs/performance.md", "A GPU", "benchmarks/gpu/FINDINGS.md"),
        ("docs/concepts/tried.md", "What gains", f"{STUDIES}/accuracy/RESULTS.md"),
    ],
)
def test_figures_are_in_the_page_that_was_summarised(page: str, heading: str, source: str) -> None:
    known = set(NUMBER.findall(text_of(source)))
    rows = table_after(page, heading)
    assert rows
    for _, *cells in rows:
        assert set(NUMBER.findall(" ".join(cells))) <= known


@pytest.mark.parametrize(
    ("page", "sources"),
    [
        ("docs/how-to/train.md", ["signals/RESULTS.md", "accuracy/RESULTS.md"]),
        ("docs/how-to/video.md", ["accuracy/PUSH.md"]),
        (
            "docs/concepts/tried.md",
            ["signals/RESULTS.md", "accuracy/RESULTS.md", "accuracy/PUSH.md"],
        ),
    ],
)
def test_intervals_in_the_text_were_measured(page: str, sources: list[str]) -> None:
    """A sentence's `+0.35 [+0.04, +0.63]` is in one of the pages, signs inside brackets apart."""

    def intervals(text: str) -> set[str]:
        return {found.replace("+", "") for found in re.findall(r"\[[+-]?\d\S+, \S+\d\]", text)}

    measured = "".join(text_of(f"{STUDIES}/{name}") for name in sources)
    known = intervals(measured + text_of("weights/README.md"))
    assert intervals(text_of(page)) <= known
