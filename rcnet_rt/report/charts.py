"""The charts of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rcnet_rt.evaluation.metrics import Reliability
from rcnet_rt.evaluation.precision_recall import RECALLS
from rcnet_rt.poses.oks import THRESHOLDS
from rcnet_rt.report.numbers import ErrorType, Floats, Numbers
from rcnet_rt.report.png import INK, axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["charts"]

# Blue and orange after Okabe & Ito; the line styles differ too.
RAW, REFINED, BEST = "#c2570c", "#0b61a4", "#8a9099"
RAW_STYLE, REFINED_STYLE = (0, (4, 2)), "-"
SHOWN_OKS = (0.5, 0.75, 0.9)


def charts(numbers: Numbers) -> dict[str, Figure]:
    """Return all charts by their file name without extension."""
    before, after = numbers.precision.before, numbers.precision.after
    found = {
        f"precision-recall-{100 * oks:.0f}": _precision_recall(
            before[place], after[place], f"OKS {oks:.2f}"
        )
        for oks, place in ((oks, int(np.isclose(THRESHOLDS, oks).argmax())) for oks in SHOWN_OKS)
    }
    found["precision-recall-mean"] = _precision_recall(
        before.mean(axis=0), after.mean(axis=0), "mean of OKS .50 to .95: the area is AP"
    )
    found["sparsification"] = _sparsification(numbers)
    found["scatter"] = _scatter(numbers)
    table = numbers.reliability
    found["reliability-raw"] = _reliability(table.before, "raw score", RAW)
    found["reliability-refined"] = _reliability(table.after, "refined score", REFINED)
    if numbers.error_types:
        found["error-types"] = _error_types(numbers.error_types)
    return found


def _labels(ax: Axes, title: str, x: str, y: str) -> Figure:
    ax.set_title(title, fontsize=10.5, color=INK, loc="left")
    ax.set_xlabel(x, fontsize=9.5, color=INK)
    ax.set_ylabel(y, fontsize=9.5, color=INK)
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def _unit(ax: Axes) -> None:
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)


def _precision_recall(before: Floats, after: Floats, title: str) -> Figure:
    ax = axes()
    _unit(ax)
    gains, loses = (after >= before).tolist(), (after < before).tolist()
    ax.fill_between(RECALLS, before, after, where=gains, color=REFINED, alpha=0.14, lw=0)
    ax.fill_between(RECALLS, before, after, where=loses, color=RAW, alpha=0.2, lw=0)
    ax.plot(RECALLS, before, color=RAW, linestyle=RAW_STYLE, linewidth=1.5)
    ax.plot(RECALLS, after, color=REFINED, linestyle=REFINED_STYLE, linewidth=1.7)
    _legend(
        ax,
        [f"raw, {100 * before.mean():.1f}", f"refined, {100 * after.mean():.1f}"],
    )
    return _labels(ax, title, "recall", "precision")


def _legend(ax: Axes, names: Sequence[str]) -> None:
    lines = ax.get_lines()[: len(names)]
    ax.legend(lines, names, loc="best", fontsize=9, frameon=False, labelcolor=INK, handlelength=2.6)


def _sparsification(numbers: Numbers) -> Figure:
    ax = axes()
    curves = numbers.sparsification
    share = np.linspace(0, 1, len(curves.before.error), endpoint=False)
    ax.plot(share, curves.before.error, color=RAW, linestyle=RAW_STYLE, linewidth=1.5)
    ax.plot(share, curves.after.error, color=REFINED, linestyle=REFINED_STYLE, linewidth=1.7)
    ax.plot(share, curves.after.best, color=BEST, linestyle=":", linewidth=1.5)
    ax.set_xlim(0, 1)
    ax.set_ylim(0)
    _legend(ax, ["raw", "refined", "optimal ranking"])
    return _labels(
        ax, "Sparsification", "share of lowest scores removed", "mean 1 − OKS of the rest"
    )


def _scatter(numbers: Numbers) -> Figure:
    ax = axes()
    order = np.argsort(numbers.oks, kind="stable")  # true positives, in strong colors, on top
    before, after = numbers.scores.before[order], numbers.scores.after[order]
    # Light to dark on white, also when a dark page inverts it; vmin -0.3 avoids invisible points.
    points = ax.scatter(
        before, after, c=numbers.oks[order], s=7, cmap="YlGnBu", vmin=-0.3, vmax=1, lw=0
    )
    figure = _labels(ax, "Raw against refined score", "raw score", "refined score")
    bar = figure.colorbar(points, ax=ax, aspect=30, pad=0.02)
    bar.set_label("matched OKS", fontsize=9.5, color=INK)
    bar.ax.tick_params(labelsize=9, colors=INK, length=0)
    bar.ax.set_ylim(0, 1)
    outline: Any = bar.outline  # old stubs take its methods for spines
    outline.set_visible(False)
    ax.set_xlim(0, max(1.0, float(before.max(initial=0)) * 1.02))
    ax.set_ylim(0, 1.02)
    return figure


def _reliability(table: Reliability, name: str, color: str) -> Figure:
    ax = axes()
    _unit(ax)
    ax.plot([0, 1], [0, 1], color=BEST, linestyle=":", linewidth=1.3)
    filled = table.count > 0
    score, oks, count = table.score[filled], table.oks[filled], table.count[filled]
    ax.vlines(score, np.minimum(score, oks), np.maximum(score, oks), color=color, alpha=0.35, lw=3)
    ax.plot(score, oks, color=color, linewidth=1.2)
    ax.scatter(score, oks, s=14 + 90 * np.sqrt(count / count.sum()), color=color, zorder=3, lw=0)
    return _labels(ax, f"Reliability, {name}", name, "mean matched OKS")


def _error_types(types: Sequence[ErrorType]) -> Figure:
    ax = axes()
    shown = sorted(types, key=lambda item: item.outranked.before)
    places = np.arange(len(shown))
    before = [100 * item.outranked.before for item in shown]
    after = [100 * item.outranked.after for item in shown]
    ax.hlines(places, before, after, color="#b9bec6", linewidth=2.4, zorder=1)
    ax.scatter(before, places, s=46, facecolor="white", edgecolor=RAW, linewidth=1.6, zorder=2)
    ax.scatter(after, places, s=46, color=REFINED, zorder=3)
    ax.set_yticks(places, [f"{item.name}\n{item.count:,}" for item in shown])
    ax.set_ylim(-0.6, len(shown) - 0.4)
    ax.set_xlim(left=0)
    handles = ax.collections[1:3]
    ax.legend(handles, ["raw", "refined"], loc="lower right", fontsize=9, frameon=False)
    return _labels(ax, "False positives by error type", "% of true positives that score lower", "")
