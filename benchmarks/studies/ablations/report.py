"""results.json and FINDINGS.md to RESULTS.md and learning.png."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.ablations import learning, paper
from benchmarks.studies.ablations.parts import margin_name
from benchmarks.studies.ablations.settings import SETTINGS, SUMMARIES
from benchmarks.studies.ablations.visual import POSE, VISUAL
from benchmarks.studies.accuracy import published
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

Results = Mapping[str, Any]


def keep(folder: Path, order: Iterable[str], part: str, result: dict[str, Any]) -> None:
    """Put a part into results.json, beside the parts that are there; write RESULTS.md anew."""
    results = store(folder, order, part, result)
    if curves := _curves(_parts("learning", results)):
        learning.draw(curves, folder / "learning.png")
    write_page(folder, blocks(results))


def blocks(results: Results) -> Iterator[str]:
    """Yield the page's Markdown."""
    yield read_findings(Path(__file__).parent).introduction
    yield "\n".join(f"- **{name}**: {SUMMARIES[name]}" for name in SETTINGS)
    yield from _varied("losses", "Losses (tables 4, 8, 10)", results, paper.LOSSES, "rank")
    yield from _varied("margins", "Margins (table 7)", results, paper.MARGINS, margin_name(0.5))
    yield from _visual(results)
    yield from _architectures(results)
    yield from _ranking(results)
    yield from _calibration(results)
    yield from _learning(results)


def _parts(kind: str, known: Results) -> dict[str, Any]:
    """Return the parts of a kind by setting."""
    return {name.partition(" ")[2]: part for name, part in known.items() if name.startswith(kind)}


def _head(kind: str, title: str, parts: Results) -> list[str]:
    made = [provenance_text(part["made"]) for part in parts.values()]
    findings = read_findings(Path(__file__).parent).sections
    return [f"## {title}", findings[kind], *dict.fromkeys(made)]


def _varied(kind: str, title: str, known: Results, published: Results, reference: str) -> list[str]:
    """Return a table of the paper, and ours with the settings side by side."""
    parts = _parts(kind, known)
    if not parts:
        return []
    lines = _head(kind, title, parts)
    lines.append("### The paper")
    rows = ([name, *(f"{ap:.1f}" for ap in aps)] for name, aps in published.items())
    lines.append(table(["AP", *paper.ABLATED], rows))
    head = [""]
    for name in parts:
        head += [f"{name} setting: AP", "over raw score", f"over {reference}"]
    head.append(f"published, over {reference}: mean (range)")
    estimators = next(iter(parts.values()))["estimators"]
    for estimator, views in estimators.items():
        for view, words in VIEWS.items():
            tables = [part["estimators"][estimator][view] for part in parts.values()]
            lines.append(f"### {estimator}: {words} ({views[view]['images']})")
            named = [{row["name"]: row for row in view_of["rows"]} for view_of in tables]
            rows = (
                [
                    name,
                    *(cell for rows in named for cell in _cells(rows[name], reference)),
                    _published(published, name, reference),
                ]
                for name in named[0]
            )
            lines.append(table(head, rows))
    return lines


def _cells(row: Results, reference: str) -> list[str]:
    spread = "" if row["spread"] is None else f" ± {row['spread']:.2f}"
    gains = [gain_text(row["gains"].get(other)) for other in ("raw score", reference)]
    return [f"{row['ap']:.2f}{spread}", *gains]


def _published(published: Results, name: str, reference: str) -> str:
    """Return the mean and the range of the paper's differences over its estimators."""
    if name not in published or name == reference:
        return ""
    change = np.subtract(published[name], published[reference])
    return f"{change.mean():+.1f} ({change.min():+.1f} … {change.max():+.1f})"


def _visual(known: Results) -> list[str]:
    parts = _parts("visual", known)
    if not parts:
        return []
    lines = [*_head("visual", "Visual features (table 9)", parts), "### The paper (HRNet-w32)"]
    rows: list[list[str]] = [
        [name, *(f"{value:.1f}" for value in values)] for name, values in paper.VISUAL.items()
    ]
    lines.append(table(["", "AP", "AP medium", "AP large", "AR"], rows))
    (part,) = parts.values()
    for estimator, tables in part["estimators"].items():
        if not tables:
            continue
        lines.append(
            f"{estimator}: {100 * tables['share']:.1f} % of the poses have an embedding; the "
            "others were not found again in the raw output."
        )
        for view, words in VIEWS.items():
            lines.append(f"### {estimator}: {words} ({tables[view]['images']})")
            rows = []
            for row in tables[view]["rows"]:
                name = row["name"]
                reference = name.replace(VISUAL, POSE) if name.endswith(VISUAL) else ""
                rows.append([name, *_cells(row, reference)])
            lines.append(table(["", "AP", "over raw score", f"over {POSE}"], rows))
    return lines


def _architectures(known: Results) -> list[str]:
    parts = _parts("networks", known)
    if not parts:
        return []
    lines = [*_head("architectures", "Architectures (table 11)", parts), "### The paper"]
    rows = [
        [f"{estimator}: {name}", *(f"{value:.1f}" for value in values)]
        for estimator, networks in published.ARCHITECTURES.items()
        for name, values in networks.items()
    ]
    lines.append(table(["", "AP", "AP medium", "AP large", "AR"], rows))
    head = ["setting: network", "AP", "over raw score", "over MLP", "AP medium", "AP large", "AR"]
    for estimator, view, words in _tables(parts):
        lines.append(f"### {estimator}: {words}")
        rows = [
            [
                title,
                f"{row['ap']:.2f}",
                *(_over(title, row, other) for other in ("raw score", "MLP")),
                *(f"{row[key]:.2f}" for key in ("ap_medium", "ap_large", "ar")),
            ]
            for title, row in _networks(parts, estimator, view)
        ]
        lines.append(table(head, rows))
    return lines


def _over(title: str, row: Results, other: str) -> str:
    """Return a gain; of the raw score none, since each setting has an MLP of its own."""
    return "" if title == "raw score" else gain_text(row["over"].get(other))


def _ranking(known: Results) -> list[str]:
    parts = _parts("networks", known)
    if not parts:
        return []
    lines = [*_head("ranking", "Ranking accuracy (table 5)", {}), "### The paper"]
    rows = [
        [name, f"{before:.1f}", f"{after:.1f}", f"{after - before:+.1f}"]
        for name, (before, after) in published.RANKING_ACCURACY.items()
    ]
    lines.append(table(["ranking accuracy, %", "before", "after", "change"], rows))
    head = ["setting: network", "all pairs", "over raw score", "pairs of an image"]
    for estimator, view, words in _tables(parts):
        lines.append(f"### {estimator}: {words}")
        rows = [
            [
                title,
                f"{100 * row['ranking accuracy']['value']:.1f}",
                _change(row["ranking accuracy"], 100, 1),
                f"{100 * row['within image']:.1f}",
            ]
            for title, row in _networks(parts, estimator, view)
        ]
        lines.append(table(head, rows))
    return lines


def _calibration(known: Results) -> list[str]:
    parts = _parts("networks", known)
    if not parts:
        return []
    lines = [*_head("calibration", "Calibration (table 12)", {}), "### The paper"]
    rows = [
        [name, *(f"{value:.3f}" for value in pearson), *(f"{value:.2f}" for value in ause)]
        for name, (pearson, ause) in published.CALIBRATION.items()
    ]
    head = ["", "Pearson before", "after", "AUSE-OKS (%) before", "after"]
    lines.append(table(head, rows))
    head = ["setting: network", "Pearson", "over raw score", "AUSE-OKS (%)", "over raw score"]
    for estimator, view, words in _tables(parts):
        lines.append(f"### {estimator}: {words}")
        rows = [
            [
                title,
                f"{row['pearson']['value']:.3f}",
                _change(row["pearson"], 1, 3),
                f"{100 * row['ause']['value']:.2f}",
                _change(row["ause"], 100, 2),
            ]
            for title, row in _networks(parts, estimator, view)
        ]
        lines.append(table(head, rows))
    return lines


def _tables(parts: Results) -> list[tuple[str, str, str]]:
    estimators = next(iter(parts.values()))["estimators"]
    return [
        (estimator, view, f"{words} ({views[view]['images']})")
        for estimator, views in estimators.items()
        for view, words in VIEWS.items()
    ]


def _networks(parts: Results, estimator: str, view: str) -> list[tuple[str, Any]]:
    """Return the raw score, and each network in each setting."""
    rows = {}
    for name, part in parts.items():
        for network, row in part["estimators"][estimator][view]["rows"].items():
            rows[network if network == "raw score" else f"{name}: {network}"] = row
    return list(rows.items())


def _change(figure: Mapping[str, float], factor: float, digits: int) -> str:
    if figure["low"] == figure["high"] == 0:
        return ""
    noise = " ≈" if figure["low"] <= 0 <= figure["high"] else ""
    difference, low, high = (factor * figure[key] for key in ("difference", "low", "high"))
    return f"{difference:+.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]{noise}"


def _curves(parts: Results) -> dict[str, dict[str, Any]]:
    """Return the learning curves by estimator and recipe."""
    estimators = next(iter(parts.values()))["estimators"] if parts else ()
    return {
        estimator: {name: part["estimators"][estimator] for name, part in parts.items()}
        for estimator in estimators
    }


def _learning(known: Results) -> list[str]:
    parts = _parts("learning", known)
    if not parts:
        return []
    lines = _head("learning", "Learning curve (figure 3)", parts)
    lines.append("![Loss and ranking accuracy by epoch](learning.png)")
    head = ["", "raw", "epoch 1", "epoch 5", "last epoch", "fell with the loss"]
    for side in ("training", "test"):
        rows = [
            [
                f"{estimator}, {name}",
                f"{100 * result['raw accuracy']:.1f}",
                *(f"{100 * result['curves'][f'{side} accuracy'][i]:.1f}" for i in _epochs(result)),
                f"{100 * result['fell'][side]['share']:.0f} % of {result['fell'][side]['epochs']}",
            ]
            for estimator, recipes in _curves(parts).items()
            for name, result in recipes.items()
        ]
        lines.append(
            f"Ranking accuracy on {side} images, %; *fell with the loss*: of the epochs in which "
            "the loss fell, the share in which the accuracy fell too."
        )
        lines.append(table(head, rows))
    return lines


def _epochs(result: Results) -> tuple[int, int, int]:
    last = len(result["curves"]["test loss"]) - 1
    return 0, min(4, last), last
