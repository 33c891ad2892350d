"""Loss, AP and ranking accuracy by epoch (figure 3 of the paper), from the log of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rcnet_rt.errors import DatasetError
from rcnet_rt.report.png import INK, panels
from rcnet_rt.training.fit import Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["read_log", "training_curves"]

PANELS = (
    ("ap", "AP, held-out images", 100, "#0b61a4"),
    ("ranking_accuracy", "ranking accuracy, held-out images", 100, "#7b4fa3"),
    ("loss", "loss, training images", 1, "#c2570c"),
)

Curve = Mapping[int, float]  # by epoch


def read_log(path: Path) -> list[Progress]:
    """Return the epochs of a run's `log.jsonl`; of repeated epochs the last.

    Truncated lines, from a killed training, are left out.

    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    epochs = {}
    for line in lines:
        try:
            values = json.loads(line)
            figures = [_number(values[name]) for name in ("loss", "ap", "ranking_accuracy")]
            key = str(values["split"]), int(values["epoch"])
        except (ValueError, KeyError, TypeError):
            continue
        epochs[key] = Progress(*key, *figures)
    return list(epochs.values())


def training_curves(epochs: Iterable[Progress]) -> Figure:
    """Return the figure: a thin line per split, a thick line for their mean."""
    epochs = list(epochs)
    found = panels(len(PANELS), 3.6 * len(PANELS), 3.2)
    for ax, (name, title, scale, color) in zip(found, PANELS, strict=True):
        _panel(ax, _curves(epochs, name, scale), title, color)
    figure = found[0].get_figure(root=True)
    assert figure is not None
    return figure


def _curves(epochs: Sequence[Progress], name: str, scale: float) -> list[Curve]:
    """Return the curve of each split that has one; the final network has no held-out AP."""
    curves: dict[str, dict[int, float]] = {}
    for epoch in epochs:
        value = getattr(epoch, name)
        if np.isfinite(value):
            curves.setdefault(epoch.split, {})[epoch.epoch] = scale * value
    return list(curves.values())


def _panel(ax: Axes, curves: Sequence[Curve], title: str, color: str) -> None:
    several = len(curves) > 1
    for curve in curves:
        _line(ax, curve, color, *((0.8, 0.45) if several else (1.8, 1.0)))
    if several:
        shared = sorted(set.intersection(*(set(curve) for curve in curves)))
        mean = {epoch: float(np.mean([curve[epoch] for curve in curves])) for epoch in shared}
        _line(ax, mean, color, 2.0, 1.0)
        title += f", mean of {len(curves)}"
    ax.set_title(title, fontsize=10, color=INK, loc="left")
    ax.set_xlabel("epoch", fontsize=9.5, color=INK)
    ax.locator_params(axis="x", integer=True)


def _line(ax: Axes, curve: Curve, color: str, width: float, alpha: float) -> None:
    marker = "o" if len(curve) == 1 else ""  # a line of one point is invisible
    ax.plot(
        list(curve), list(curve.values()), color=color, linewidth=width, alpha=alpha, marker=marker
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
