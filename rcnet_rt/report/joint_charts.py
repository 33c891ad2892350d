"""The charts of joints: reliability of each, and coverage of their ellipses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from rcnet_rt.evaluation.joint_figures import JointFigures
from rcnet_rt.evaluation.joints import LEVEL, CoverageFigures
from rcnet_rt.evaluation.metrics import Reliability
from rcnet_rt.report.charts import BEST, RAW, RAW_STYLE, REFINED, REFINED_STYLE
from rcnet_rt.report.png import INK, axes, grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["joint_charts"]

COLUMNS = 6
TOLERANCE = 0.02

LineStyle = str | tuple[int, tuple[int, int]]


def joint_charts(figures: JointFigures) -> dict[str, Figure]:
    """Return the charts of joints by their file name without extension."""
    found = {"joint-reliability": _reliability(figures)}
    if figures.coverage is not None:
        found["joint-coverage"] = _coverage(figures.joints, figures.coverage)
    return found


def _reliability(figures: JointFigures) -> Figure:
    """One small chart for each joint: raw and calibrated confidence."""
    count = len(figures.joints)
    rows = math.ceil(count / COLUMNS)
    cells = grid(rows, COLUMNS, 1.75 * COLUMNS, 1.75 * rows)
    for ax in cells[count:]:
        ax.set_axis_off()
    for place, (ax, joint) in enumerate(zip(cells, figures.joints, strict=False)):
        ax.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        ax.plot([0, 1], [0, 1], color=BEST, linestyle=":", linewidth=1)
        if figures.raw is not None:
            _curve(ax, figures.raw.curves[place], RAW, RAW_STYLE)
        _curve(ax, figures.calibrated.curves[place], REFINED, REFINED_STYLE)
        ax.set_title(joint.replace("_", " "), fontsize=8.5, color=INK, loc="left")
        ax.tick_params(labelsize=7)
    return _figure_of(cells[0])


def _curve(ax: Axes, table: Reliability, color: str, style: LineStyle) -> None:
    filled = table.count > 0
    ax.plot(table.score[filled], table.oks[filled], color=color, linestyle=style, linewidth=1.3)


def _coverage(joints: tuple[str, ...], coverage: CoverageFigures) -> Figure:
    """One dot for each joint and group; the band is the tolerance around 90 %."""
    names = [*(joint.replace("_", " ") for joint in joints), *coverage.groups]
    shares = 100 * np.array([*coverage.by_joint, *coverage.groups.values()])
    places = np.arange(len(names))[::-1]
    ax = axes()
    low, high = (100 * (LEVEL + sign * TOLERANCE) for sign in (-1, 1))
    ax.axvspan(low, high, color=REFINED, alpha=0.12, lw=0)
    ax.axvline(100 * LEVEL, color=BEST, linestyle=":", linewidth=1.3)
    ax.scatter(shares, places, s=26, color=REFINED, zorder=3)
    ax.set_yticks(places, names, fontsize=7.5)
    ax.set_title("Coverage of the 90 % ellipses", fontsize=10.5, color=INK, loc="left")
    ax.set_xlabel("% of joints in their ellipse", fontsize=9.5, color=INK)
    return _figure_of(ax)


def _figure_of(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure
