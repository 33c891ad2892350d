"""Adds guaranteed thresholds to the shipped weights: `python -m tools.guaranteed_threshold`.

Scores of images that were not trained on are needed, which only a training has: those of the folds
of `tools.group_weights`, whose checkpoints are under `--runs`. Nothing else of the weights changes;
that it is the same training is checked by the other thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from benchmarks.common import data_option
from rcnet_rt.errors import WeightsError
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.correct_probability import RECORD
from rcnet_rt.rescoring.weights import GUARANTEED, Weights
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.cross_validation import calibrate_on, hold_out_each
from rcnet_rt.training.examples import Examples
from rcnet_rt.training.model_card import card
from tools.group_weights import GROUPS
from tools.joint_heads import folds_of, load_group

__all__ = ["main", "with_guarantee"]

FOUND = ("guarantee", RECORD)  # what calibrating finds beside thresholds
TOLERANCE = 1e-3  # of a threshold, between processors


def with_guarantee(weights: Weights, trained: Weights) -> Weights:
    """Return weights with the guaranteed threshold of the same training, or why there is none.

    P(correct | score), which a camera's profile needs, comes with it.

    Raises:
        WeightsError: it was another training.
    """
    for name in ("auto", "p95"):
        ours, theirs = (some.thresholds.get(name, np.nan) for some in (weights, trained))
        if not abs(ours - theirs) <= TOLERANCE:
            raise WeightsError(
                f"the thresholds {name!r} are {ours} and {theirs}: not the same training; repeat "
                "it with the same data and recipe"
            )
    thresholds = {name: value for name, value in weights.thresholds.items() if name != GUARANTEED}
    if GUARANTEED in trained.thresholds:
        thresholds[GUARANTEED] = trained.thresholds[GUARANTEED]
    found = {key: trained.training[key] for key in FOUND if key in trained.training}
    return replace(weights, thresholds=thresholds, training={**weights.training, **found})


def calibrated_again(
    weights: Weights, run: Path, results: Mapping[str, LabeledResults], recipe: Recipe
) -> Weights:
    """Return weights with the thresholds that the held-out scores of their training give."""
    examples = Examples(results, recipe)
    parts = []
    for split, fold in folds_of(run, weights):
        scale = examples.baseline_scale(weights.baseline, split)
        parts.append((split, replace(fold, calibration=None, baseline_scale=scale)))
    held_out = hold_out_each(results, parts)
    return calibrate_on([(results[name], some) for name, some in held_out.items()], weights)


@click.command()
@data_option
@click.argument("names", type=click.Choice(list(GROUPS)), nargs=-1)
@click.option("--signals", type=click.Path(path_type=Path, exists=True), help="For yolo-pose.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("weights"), show_default=True)
def main(data: Path, names: tuple[str, ...], signals: Path | None, runs: Path, out: Path) -> None:
    """Add a guaranteed threshold to the weights NAMES, all by default, and to their cards."""
    for name in names or GROUPS:
        file = out / f"{name}.safetensors"
        weights, results = weights_io.load(file), load_group(data, name, signals, runs)
        trained = calibrated_again(weights, runs / name, results, GROUPS[name].recipe)
        after = with_guarantee(weights, trained)
        weights_io.save(after, file)
        file.with_suffix(".md").write_text(card(after), encoding="utf-8")
        click.echo(f"{name}: {after.thresholds.get(GUARANTEED)}, {after.training['guarantee']}")


if __name__ == "__main__":
    main()
