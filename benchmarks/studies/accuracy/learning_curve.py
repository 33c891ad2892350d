"""Draws AP by the number of training images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.accuracy.parts import (
    ATTENTION,
    BASELINE,
    BOOSTING,
    LINEAR,
    MLP,
    RAW,
    SUBSETS,
)
from benchmarks.studies.accuracy.protocol import FOLDS

__all__ = ["draw"]


def draw(estimators: Mapping[str, Any], path: Path) -> None:
    """Draw a panel an estimator."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * len(estimators), 4), layout="constrained")
    panels = figure.subplots(1, len(estimators), squeeze=False)[0]
    for panel, (name, tables) in zip(panels, estimators.items(), strict=True):
        _draw(panel, tables["all"])
        panel.set_title(name, fontsize=10)
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})


def _draw(panel: Any, figures: Mapping[str, Any]) -> None:
    rows = {row["name"]: row["ap"] for row in figures["rows"] if "ap" in row}
    everything = figures["images"] * (FOLDS - 1) // FOLDS
    counts = {f"{count} images": count for count in SUBSETS} | {"all training images": everything}
    for method in (LINEAR, MLP, ATTENTION, BOOSTING):
        points = [
            (count, rows[f"{method}, {words}"])
            for words, count in counts.items()
            if f"{method}, {words}" in rows
        ]
        if points:
            panel.plot(*np.transpose(points), marker="o", label=method)
    for name, style in ((BASELINE, "--"), (RAW, ":")):
        panel.axhline(rows[name], color="grey", linestyle=style, label=name)
    panel.set_xscale("log")
    panel.set_xticks(list(counts.values()), [str(count) for count in counts.values()])
    panel.set_xlabel("training images")
    panel.set_ylabel("AP")
    panel.legend(fontsize=8)
