"""The paper's tables 2, 5, 6, 11 and 12 for our estimators, beside its own figures.

The paper's estimators are others, and stronger: compare differences, not levels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.studies.accuracy import published
from benchmarks.studies.accuracy.parts import ATTENTION, MLP, PAPER, RAW
from benchmarks.studies.accuracy.protocol import ESTIMATORS
from benchmarks.studies.common import table

__all__ = ["blocks"]

Rows = Mapping[str, Mapping[str, Any]]  # by name

COCO = ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar")
COCO_TITLES = ("AP", "AP50", "AP75", "AP medium", "AP large", "AR")
COMPARED = (RAW, MLP, ATTENTION, PAPER)


def blocks(estimators: Mapping[str, Any]) -> Iterator[str]:
    """Yield the five tables in Markdown."""
    rows = {
        name: {row["name"]: row for row in tables["all"]["rows"] if "ap" in row}
        for name, tables in estimators.items()
    }
    yield "### Accuracy (table 2)"
    yield _accuracy(rows)
    yield "### Ranking accuracy (table 5)"
    yield _ranking(rows)
    yield "### Misranked false positives (table 6)"
    yield _misranked(rows)
    yield "### Architectures (table 11)"
    yield _architectures(rows)
    yield "### Correlation and sparsification (table 12)"
    yield _calibration(rows)


def _present(rows: Rows) -> list[str]:
    return [name for name in COMPARED if name in rows]


def _accuracy(rows: Mapping[str, Rows]) -> str:
    lines = [
        ["the paper", name, method, *(f"{value:.1f}" for value in values)]
        for name, pair in published.ACCURACY.items()
        for method, values in zip(("raw score", "RCNet"), pair, strict=True)
    ]
    lines += [
        [
            ESTIMATORS[name].group,
            name,
            method,
            *(f"{found[method]['figures'][figure]:.2f}" for figure in COCO),
        ]
        for name, found in rows.items()
        for method in _present(found)
    ]
    return table(["", "estimator", "scores", *COCO_TITLES], lines)


def _ranking(rows: Mapping[str, Rows]) -> str:
    """Return the accuracy over pairs of all images, and within an image."""
    lines = [
        ["the paper", name, f"{before:.1f}", "", "", f"{after:.1f}", ""]
        for name, (before, after) in published.RANKING_ACCURACY.items()
    ]
    lines += [
        [
            "ours",
            name,
            *(_percent(found, method, "ranking accuracy") for method in COMPARED),
            " → ".join(_percent(found, method, "within image") for method in (RAW, MLP)),
        ]
        for name, found in rows.items()
    ]
    return table(["", "estimator", *COMPARED, f"within an image: raw → {MLP}"], lines)


def _misranked(rows: Mapping[str, Rows]) -> str:
    lines = [
        ["the paper", name, f"{count} ({share:.3f})", "", "", ""]
        for name, (count, share) in published.MISRANKED.items()
    ]
    lines += [
        [
            "ours",
            name,
            *(
                f"{found[method]['figures']['misranked']:.0f} "
                f"({found[method]['figures']['misranked per true positive']:.3f})"
                if method in found
                else ""
                for method in COMPARED
            ),
        ]
        for name, found in rows.items()
    ]
    return table(["", "estimator", *COMPARED], lines)


def _architectures(rows: Mapping[str, Rows]) -> str:
    shown = ("ap", "ap_medium", "ap_large", "ar")
    lines = [
        ["the paper", name, method, *(f"{value:.1f}" for value in values)]
        for name, methods in published.ARCHITECTURES.items()
        for method, values in methods.items()
    ]
    lines += [
        ["ours", name, method, *(f"{found[method]['figures'][figure]:.2f}" for figure in shown)]
        for name, found in rows.items()
        for method in (RAW, "linear", MLP, ATTENTION)
        if method in found
    ]
    return table(["", "estimator", "scores", "AP", "AP medium", "AP large", "AR"], lines)


def _calibration(rows: Mapping[str, Rows]) -> str:
    """Return Pearson's correlation and AUSE-OKS in percent, of poses matched at OKS 0.5."""
    lines = []
    for name, (correlation, ause) in published.CALIBRATION.items():
        before, after = (f"{r:.3f}, {a:.2f} %" for r, a in zip(correlation, ause, strict=True))
        lines.append(["the paper", name, before, "", "", after])
    for name, found in rows.items():
        figures = (found[method]["figures"] if method in found else None for method in COMPARED)
        cells = (
            "" if some is None else f"{some['pearson']:.3f}, {100 * some['ause']:.2f} %"
            for some in figures
        )
        lines.append(["ours", name, *cells])
    return table(["", "estimator", *COMPARED], lines)


def _percent(rows: Rows, method: str, figure: str) -> str:
    return f"{100 * rows[method]['figures'][figure]:.1f}" if method in rows else ""
