"""results.json to RESULTS.md and learning.png."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.ablations import learning, paper
from benchmarks.studies.ablations.findings import FINDINGS
from benchmarks.studies.ablations.parts import margin_name
from benchmarks.studies.ablations.settings import SETTINGS, SUMMARIES
from benchmarks.studies.ablations.visual import POSE, VISUAL
from benchmarks.studies.accuracy.report import gain_text, provenance_text, store

__all__ = ["keep"]

Results = Mapping[str, Any]

INTRODUCTION = f"""# The paper's ablations on real predictions

The paper's tables 4, 5, 7 to 12 and its figure 3, once more, on the predictions of two
estimators: Lightweight OpenPose (bottom-up, 553 images of COCO val2017) and YOLOv8n-pose
(one-stage, 214 images). The paper trains on COCO train2017, some 300,000 poses, and judges on all
of val2017; here 1,900 and 1,000 poses are learned from. So levels cannot be compared, only what
differs from row to row. Every figure is of images that the scorer was not trained on, and intervals
are of a paired bootstrap over images, as `benchmarks/studies/accuracy` has it; **≈** marks an interval that
holds 0. Differences below 0.2 AP are noise: another split into folds moves AP by about as much.

Every choice is tried in two settings, with everything but that choice equal:

{chr(10).join(f"- **{name}**: {SUMMARIES[name]};" for name in SETTINGS)[:-1]}.

The paper's preset to the letter (learning rate 0.0001, 50 epochs) is a row of
`benchmarks/studies/accuracy/RESULTS.md` and is in the learning curve below.
"""
VIEWS = {"all": "all images", "complete": "fully annotated images"}


def keep(folder: Path, order: Iterable[str], part: str, result: dict[str, Any]) -> None:
    """Put a part into results.json, beside the parts that are there; write RESULTS.md anew."""
    known = store(folder, order, part, result)
    sections = [
        _varied("losses", "Losses (tables 4, 8, 10)", known, paper.LOSSES, "rank"),
        _varied("margins", "Margins (table 7)", known, paper.MARGINS, margin_name(0.5)),
        _visual(known),
        _architectures(known),
        _ranking(known),
        _calibration(known),
        _learning(known, folder / "learning.png"),
    ]
    lines = [line for section in sections for line in section]
    (folder / "RESULTS.md").write_text("\n".join([INTRODUCTION, *lines]) + "\n")


def _parts(kind: str, known: Results) -> dict[str, Any]:
    """Return the parts of a kind by setting."""
    return {name.partition(" ")[2]: part for name, part in known.items() if name.startswith(kind)}


def _head(kind: str, title: str, parts: Results) -> list[str]:
    made = [provenance_text(part["made"]) for part in parts.values()]
    return [f"## {title}", "", FINDINGS.get(kind, ""), "", *dict.fromkeys(made), ""]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def _varied(kind: str, title: str, known: Results, published: Results, reference: str) -> list[str]:
    """Return a table of the paper, and ours with the settings side by side."""
    parts = _parts(kind, known)
    if not parts:
        return []
    lines = _head(kind, title, parts)
    lines += ["### The paper", ""]
    rows = ([name, *(f"{ap:.1f}" for ap in aps)] for name, aps in published.items())
    lines += _table(["AP", *paper.ABLATED], rows)
    head = [""]
    for name in parts:
        head += [f"{name} setting: AP", "over raw score", f"over {reference}"]
    head.append(f"published, over {reference}: mean (range)")
    estimators = next(iter(parts.values()))["estimators"]
    for estimator, views in estimators.items():
        for view, words in VIEWS.items():
            tables = [part["estimators"][estimator][view] for part in parts.values()]
            lines += [f"### {estimator}: {words} ({views[view]['images']})", ""]
            named = [{row["name"]: row for row in table["rows"]} for table in tables]
            rows = (
                [
                    name,
                    *(cell for rows in named for cell in _cells(rows[name], reference)),
                    _published(published, name, reference),
                ]
                for name in named[0]
            )
            lines += _table(head, rows)
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
    lines = [*_head("visual", "Visual features (table 9)", parts), "### The paper (HRNet-w32)", ""]
    rows: list[list[str]] = [
        [name, *(f"{value:.1f}" for value in values)] for name, values in paper.VISUAL.items()
    ]
    lines += _table(["", "AP", "AP medium", "AP large", "AR"], rows)
    (part,) = parts.values()
    for estimator, tables in part["estimators"].items():
        if not tables:
            continue
        lines += [f"{estimator}: {100 * tables['share']:.1f} % of the poses have an embedding; the "
                  "others were not found again in the raw output.", ""]  # fmt: skip
        for view, words in VIEWS.items():
            lines += [f"### {estimator}: {words} ({tables[view]['images']})", ""]
            rows = []
            for row in tables[view]["rows"]:
                name = row["name"]
                reference = name.replace(VISUAL, POSE) if name.endswith(VISUAL) else ""
                rows.append([name, *_cells(row, reference)])
            lines += _table(["", "AP", "over raw score", f"over {POSE}"], rows)
    return lines


def _architectures(known: Results) -> list[str]:
    parts = _parts("networks", known)
    if not parts:
        return []
    lines = [*_head("architectures", "Architectures (table 11)", parts), "### The paper", ""]
    rows = [
        [f"{estimator}: {name}", *(f"{value:.1f}" for value in values)]
        for estimator, networks in paper.ARCHITECTURES.items()
        for name, values in networks.items()
    ]
    lines += _table(["", "AP", "AP medium", "AP large", "AR"], rows)
    head = ["setting: network", "AP", "over raw score", "over MLP", "AP medium", "AP large", "AR"]
    for estimator, view, words in _tables(parts):
        lines += [f"### {estimator}: {words}", ""]
        rows = [
            [
                title,
                f"{row['ap']:.2f}",
                *(_over(title, row, other) for other in ("raw score", "MLP")),
                *(f"{row[key]:.2f}" for key in ("ap_medium", "ap_large", "ar")),
            ]
            for title, row in _networks(parts, estimator, view)
        ]
        lines += _table(head, rows)
    return lines


def _over(title: str, row: Results, other: str) -> str:
    """Return a gain; of the raw score none, since each setting has an MLP of its own."""
    return "" if title == "raw score" else gain_text(row["over"].get(other))


def _ranking(known: Results) -> list[str]:
    parts = _parts("networks", known)
    if not parts:
        return []
    lines = [*_head("ranking", "Ranking accuracy (table 5)", {}), "### The paper", ""]
    rows = [
        [name, f"{before:.1f}", f"{after:.1f}", f"{after - before:+.1f}"]
        for name, (before, after) in paper.RANKING_ACCURACY.items()
    ]
    lines += _table(["ranking accuracy, %", "before", "after", "change"], rows)
    head = ["setting: network", "all pairs", "over raw score", "pairs of an image"]
    for estimator, view, words in _tables(parts):
        lines += [f"### {estimator}: {words}", ""]
        rows = [
            [
                title,
                f"{100 * row['ranking accuracy']['value']:.1f}",
                _change(row["ranking accuracy"], 100, 1),
                f"{100 * row['within image']:.1f}",
            ]
            for title, row in _networks(parts, estimator, view)
        ]
        lines += _table(head, rows)
    return lines


def _calibration(known: Results) -> list[str]:
    parts = _parts("networks", known)
    if not parts:
        return []
    lines = [*_head("calibration", "Calibration (table 12)", {}), "### The paper", ""]
    rows = [
        [name, *(f"{value:.3f}" for value in pearson), *(f"{value:.2f}" for value in ause)]
        for name, (pearson, ause) in paper.CALIBRATION.items()
    ]
    head = ["", "Pearson before", "after", "AUSE-OKS (%) before", "after"]
    lines += _table(head, rows)
    head = ["setting: network", "Pearson", "over raw score", "AUSE-OKS (%)", "over raw score"]
    for estimator, view, words in _tables(parts):
        lines += [f"### {estimator}: {words}", ""]
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
        lines += _table(head, rows)
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


def _learning(known: Results, image: Path) -> list[str]:
    parts = _parts("learning", known)
    if not parts:
        return []
    first = next(iter(parts.values()))["estimators"]
    curves = {e: {name: part["estimators"][e] for name, part in parts.items()} for e in first}
    learning.draw(curves, image)
    lines = _head("learning", "Learning curve (figure 3)", parts)
    lines += [f"![Loss and ranking accuracy by epoch]({image.name})", ""]
    head = ["", "raw", "epoch 1", "epoch 5", "last epoch", "fell with the loss"]
    for side in ("training", "test"):
        rows = [
            [
                f"{estimator}, {name}",
                f"{100 * result['raw accuracy']:.1f}",
                *(f"{100 * result['curves'][f'{side} accuracy'][i]:.1f}" for i in _epochs(result)),
                f"{100 * result['fell'][side]['share']:.0f} % of {result['fell'][side]['epochs']}",
            ]
            for estimator, recipes in curves.items()
            for name, result in recipes.items()
        ]
        lines += [f"Ranking accuracy on {side} images, %; *fell with the loss*: of the epochs in "
                  "which the loss fell, the share in which the accuracy fell, too.", "",
                  *_table(head, rows)]  # fmt: skip
    return lines


def _epochs(result: Results) -> tuple[int, int, int]:
    last = len(result["curves"]["test loss"]) - 1
    return 0, min(4, last), last
