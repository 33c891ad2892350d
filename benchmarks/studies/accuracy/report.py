"""results.json and FINDINGS.md to RESULTS.md and learning.png."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import filterfalse
from pathlib import Path
from typing import Any

from benchmarks.studies.accuracy import beside_the_paper, learning_curve
from benchmarks.studies.accuracy.parts import (
    ATTENTION,
    BOOSTING,
    LINEAR,
    MLP,
    NOT_INSTALLED,
    ORACLE,
    PAPER,
    PARTS,
    RAW,
    Subject,
    hand_made,
)
from benchmarks.studies.accuracy.protocol import ESTIMATORS
from benchmarks.studies.accuracy.study import CHANGE
from benchmarks.studies.common import (
    VIEWS,
    gain_text,
    provenance_text,
    read_findings,
    store,
    stored,
    table,
    write_page,
)

__all__ = ["blocks", "keep"]

Row = Mapping[str, Any]
BEST = "best hand-made"
SUMMARY = (LINEAR, MLP, ATTENTION, BOOSTING, PAPER)
DIAGNOSTICS = {  # figure: what its column is called, and how it is printed
    "ause": ("AUSE", ".4f"),
    "risk": ("risk", ".4f"),
    "risk at half": ("risk at half coverage", ".4f"),
    "ece": ("ECE", ".3f"),
    "ece calibrated": ("ECE calibrated", ".3f"),
}


def keep(folder: Path, part: str, run: Mapping[str, Any], tables: Mapping[str, Any]) -> None:
    """Put the tables of a run of a part into results.json, and write the page.

    They replace those of the same estimators; where only some `rows` were run, only these.
    """
    known = stored(folder).get(part, {"made": [], "estimators": {}})
    runs, every = known["made"], known["estimators"]
    if chosen := run["rows"]:
        tables = {
            name: _with_rows(every[name], new, chosen, _order(part, name)) if name in every else new
            for name, new in tables.items()
        }
    else:
        left = [[*filterfalse(tables.get, old["estimators"])] for old in runs]
        runs = [{**old, "estimators": n} for old, n in zip(runs, left, strict=True) if n]
    every = {**every, **tables}
    result = {
        "made": [*runs, {**run, "estimators": [*tables]}],
        "estimators": {name: every[name] for name in ESTIMATORS if name in every},
    }
    results = store(folder, PARTS, part, result)
    if "curve" in results:
        learning_curve.draw(results["curve"]["estimators"], folder / "learning.png")
    write_page(folder, blocks(results))


def _order(part: str, estimator: str) -> list[str]:
    """Return the names of a part's rows as a table has them."""
    planned = PARTS[part].rows(Subject(ESTIMATORS[estimator]))
    return [row.name.removesuffix(NOT_INSTALLED) for row in planned]


def _with_rows(
    known: Mapping[str, Any], tables: Mapping[str, Any], chosen: str, order: list[str]
) -> dict[str, Any]:
    """Return an estimator's known tables with the chosen rows of new ones."""
    merged = {}
    for view, old in known.items():
        new = [r for r in tables[view]["rows"] if "ap" in r and re.search(chosen, r["name"])]
        rows = {row["name"]: row for row in [*old["rows"], *new]}
        merged[view] = {**old, "rows": [rows[name] for name in order if name in rows]}
    return merged


def blocks(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page's Markdown."""
    findings = read_findings(Path(__file__).parent)
    yield findings.introduction
    for name, part in results.items():
        yield f"## {PARTS[name].title}"
        yield findings.sections.get(name, "")
        for run in part["made"]:
            yield f"{', '.join(run['estimators'])}: {provenance_text(run)}"
        if name == "methods":
            yield _summary(part["estimators"])
            yield from beside_the_paper.blocks(part["estimators"])
        if name == "curve":
            yield "![AP by the number of training images](learning.png)"
        for estimator, tables in part["estimators"].items():
            if 3 * len(tables["all"]["rows"]) < tables["all"]["planned"]:
                continue  # too little of it was run
            for view, figures in tables.items():
                words = VIEWS[view] if len(tables) > 1 else f"{figures['images']} images"
                yield f"### {estimator}: {words}, {figures['people']} people"
                yield _table(figures)


def _summary(estimators: Mapping[str, Any]) -> str:
    """Return gains over the raw score by group and estimator, and the share of the headroom."""
    head = ["group", "estimator", "raw", BEST, *SUMMARY, "ceiling", f"headroom closed by {MLP}"]
    lines = []
    for name in sorted(estimators, key=lambda name: ESTIMATORS[name].group):
        rows = {row["name"]: row for row in estimators[name]["all"]["rows"] if "ap" in row}
        if not rows.keys() >= {RAW, MLP, ORACLE}:
            continue
        raw, ceiling = rows[RAW]["ap"], rows[ORACLE]["ap"]
        best = max(
            (rows[row] for row in hand_made(Subject(ESTIMATORS[name])) if row in rows),
            key=lambda row: row["ap"],
        )
        lines.append(
            [
                ESTIMATORS[name].group,
                name,
                f"{raw:.2f}",
                gain_text(best["gains"].get(RAW)),
                *(gain_text(rows[some]["gains"][RAW]) if some in rows else "" for some in SUMMARY),
                f"{ceiling:.2f}",
                f"{100 * (rows[MLP]['ap'] - raw) / (ceiling - raw):.0f} %",
            ]
        )
    return table(head, lines)


def _gain(gain: dict[str, float] | None) -> str:
    """Return a difference with its interval; 0.00 where the order is the same."""
    return gain_text(gain) or ("" if gain is None else "0.00")


def _table(figures: Mapping[str, Any]) -> str:
    over = figures["over"]
    changed = f"AP of an image changed by > {CHANGE:g}: fell / rose"
    shown = any("figures" in row for row in figures["rows"])
    diagnostics = [title for title, _ in DIAGNOSTICS.values()] if shown else []
    head = ["scores", "AP", *(f"over {name}" for name in over), changed, *diagnostics]
    return table(head, (_cells(row, over, len(head)) for row in figures["rows"]))


def _cells(row: Row, over: list[str], width: int) -> list[str]:
    if "ap" not in row:
        return [row["name"], *[""] * (width - 1)]
    spread = "" if row["spread"] is None else f" ± {row['spread']:.2f}"
    gains = (_gain(row["gains"].get(name)) for name in over)
    changed, figures = row["images"], row.get("figures", {})
    return [
        row["name"],
        f"{row['ap']:.2f}{spread}",
        *gains,
        f"{changed['fall']:.0f} / {changed['rise']:.0f}",
        *(
            format(figures[figure], form) if figures[figure] == figures[figure] else ""
            for figure, (_, form) in DIAGNOSTICS.items()
            if figures
        ),
    ]
