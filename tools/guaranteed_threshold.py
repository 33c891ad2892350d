"""Adds guaranteed thresholds to the shipped weights: `python -m tools.guaranteed_threshold`.

Scores of images that were not trained on are needed, which only a training has: those of the folds
of `tools.group_weights`, whose checkpoints are under `--runs`. Nothing else of the weights changes;
that it is the same training is checked by the other thresholds.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from rcnet_rt.errors import WeightsError
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.correct_probability import RECORD
from rcnet_rt.rescoring.weights import GUARANTEED, Weights
from rcnet_rt.training.cross_validation import calibrate_on, hold_out_each
from rcnet_rt.training.model_card import card
from tools.trained_groups import TrainedGroup, group_options, trained_groups

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


def calibrated_again(group: TrainedGroup) -> Weights:
    """Return weights with the thresholds that the held-out scores of their training give."""
    parts = [(split, replace(fold, calibration=None)) for split, fold in group.folds()]
    held_out = hold_out_each(group.results, parts)
    pairs = [(group.results[name], some) for name, some in held_out.items()]
    return calibrate_on(pairs, group.weights)


@click.command()
@group_options
def main(data: Path, names: tuple[str, ...], signals: Path | None, runs: Path, out: Path) -> None:
    """Add a guaranteed threshold to the weights NAMES, all by default, and to their cards."""
    for group in trained_groups(data, names, signals, runs, out):
        after = with_guarantee(group.weights, calibrated_again(group))
        weights_io.save(after, group.file)
        group.file.with_suffix(".md").write_text(card(after), encoding="utf-8")
        guarantee = after.training["guarantee"]
        click.echo(f"{group.name}: {after.thresholds.get(GUARANTEED)}, {guarantee}")


if __name__ == "__main__":
    main()
