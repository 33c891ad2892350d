"""The learning curve (figure 3): loss and ranking accuracy, epoch by epoch, on both sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.studies.accuracy import protocol
from benchmarks.studies.accuracy.protocol import FOLDS, Estimator, part_of
from benchmarks.studies.accuracy.settled import settle
from benchmarks.studies.accuracy.study import Options, mapping
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE, ranking_accuracy
from rcnet_rt.training.config import PRESETS, Recipe
from rcnet_rt.training.dataset import RankingSet
from rcnet_rt.training.loop import score, train
from rcnet_rt.training.losses.rank import rank_loss
from rcnet_rt.training.splits import fold_splits

__all__ = ["RECIPES", "draw", "run"]

Floats = npt.NDArray[np.float64]

# Here the paper's preset is taken literally: 50 epochs at a learning rate of 1e-4.
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {"paper preset": PRESETS["paper"], "default recipe": PRESETS["residual"]}
)
CURVES = ("training loss", "test loss", "training accuracy", "test accuracy")


@dataclass(frozen=True)
class _Task:
    options: Options
    estimator: Estimator
    recipe: Recipe
    fold: int


def run(
    options: Options, estimator: Estimator, name: str, quick: bool, log: Callable[[str], None]
) -> dict[str, Any]:
    """Return the curves of a recipe, means over the folds, and what they say about theorem 3."""
    recipe = replace(RECIPES[name], epochs=3) if quick else RECIPES[name]
    tasks = [_Task(options, estimator, recipe, fold) for fold in range(FOLDS)]
    with mapping(options.workers) as mapped:
        folds = np.array(list(mapped(_curves, tasks)))
    log(f"{estimator.name}, {name}: learning curve")
    data = protocol.load(options.data, estimator)
    right = (data.match.weight > 0) & (data.match.target >= TRUE_POSITIVE)
    return {
        "curves": {
            curve: folds[:, :, column].mean(axis=0).tolist() for column, curve in enumerate(CURVES)
        },
        "raw accuracy": ranking_accuracy(data.scores[right], data.match.target[right]),
        "fell": {
            side: _fell_together(folds[:, :, column], folds[:, :, column + 2])
            for side, column in (("training", 0), ("test", 1))
        },
    }


def _curves(task: _Task) -> Floats:
    """Train on all folds but one; return (epochs, 4) values of `CURVES`."""
    data = protocol.load(task.options.data, task.estimator)
    split = fold_splits(list(data.poses), FOLDS, task.recipe.seed)[task.fold]
    training, test = part_of(data, split.training)[0], part_of(data, split.held_out)[0]
    settled = settle(training, task.recipe, task.recipe.seed)
    sides = [settled.examples(side, task.recipe.max_poses)[1] for side in (training, test)]
    rows: list[list[float]] = []

    def watch(epoch: Any) -> None:
        (loss, accuracy), (test_loss, test_accuracy) = (
            _loss_and_accuracy(score(epoch.network, side), side) for side in sides
        )
        rows.append([loss, test_loss, accuracy, test_accuracy])

    train(settled.recipe, sides[0], on_epoch=watch)
    return np.array(rows)


def _loss_and_accuracy(scores: Floats, side: RankingSet) -> tuple[float, float]:
    columns = (
        torch.tensor(column, dtype=torch.float32) for column in (scores, side.targets, side.weights)
    )
    right = (side.targets >= TRUE_POSITIVE) & (side.weights > 0)
    return float(rank_loss(*columns)), ranking_accuracy(scores[right], side.targets[right])


def _fell_together(losses: Floats, accuracies: Floats) -> dict[str, float]:
    """Of the epochs in which the loss fell, the share in which the accuracy fell with it."""
    lower = np.diff(losses, axis=1) < 0
    worse = np.diff(accuracies, axis=1) < 0
    return {"epochs": int(lower.sum()), "share": float((worse & lower).sum() / lower.sum())}


def draw(results: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw the curves of every estimator (columns) and recipe (rows)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    panels = figure.subplots(len(RECIPES), len(results), squeeze=False)
    for column, (estimator, recipes) in enumerate(results.items()):
        for row, (name, result) in enumerate(recipes.items()):
            _panel(panels[row][column], result)
            panels[row][column].set_title(f"{estimator.name}, {name}", fontsize=10)
    handles = [
        line for panel in figure.axes[: len(RECIPES) * len(results) + 1] for line in panel.lines
    ]
    seen = {str(line.get_label()): line for line in handles}
    figure.legend(seen.values(), seen.keys(), loc="outside lower center", ncols=5, fontsize=8)
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})


def _panel(left: Any, result: Mapping[str, Any]) -> None:
    right = left.twinx()
    for curve, values in result["curves"].items():
        axis = left if "loss" in curve else right
        color = "tab:red" if "loss" in curve else "tab:blue"
        style = "--" if "test" in curve else "-"
        axis.plot(np.arange(1, len(values) + 1), values, style, color=color, label=curve)
    right.axhline(result["raw accuracy"], color="grey", linestyle=":", label="raw accuracy")
    left.set_xlabel("epoch")
    left.set_ylabel("rank loss", color="tab:red")
    right.set_ylabel("ranking accuracy", color="tab:blue")
