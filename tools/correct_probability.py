"""Adds P(correct | score) to the shipped weights: `python -m tools.correct_probability`.

Scores of images that were not trained on are needed: those of the folds of `tools.group_weights`,
whose checkpoints are under `--runs`. Nothing else of the weights changes; that it is the same
training is checked by the thresholds.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from benchmarks.common import data_option
from rcnet_rt.errors import WeightsError
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.correct_probability import RECORD, CorrectProbability
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.cross_validation import calibrate_on, hold_out_each
from tools.group_weights import GROUPS
from tools.joint_heads import folds_of, load_group

__all__ = ["main", "with_correct_probability"]

TOLERANCE = 1e-3  # of a threshold, between processors


def with_correct_probability(weights: Weights, again: Weights) -> Weights:
    """Return weights with the P(correct | score) that was found by calibrating them again.

    Raises:
        WeightsError: it was another training, or has none.
    """
    for name in ("auto", "p95"):
        before, now = (some.thresholds.get(name, np.nan) for some in (weights, again))
        if not abs(before - now) <= TOLERANCE:
            raise WeightsError(
                f"the threshold {name!r} of {weights.name!r} is {before}, and {now} by the "
                "checkpoints: they are of another training; give its folder by --runs"
            )
    learned = CorrectProbability.of(again)
    if learned is None:
        raise WeightsError(f"the poses of {weights.name!r} are all correct or all incorrect")
    return replace(weights, training={**weights.training, RECORD: learned.record()})


@click.command()
@data_option
@click.argument("names", type=click.Choice(list(GROUPS)), nargs=-1)
@click.option("--signals", type=click.Path(path_type=Path, exists=True), help="For yolo-pose.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("weights"), show_default=True)
def main(data: Path, names: tuple[str, ...], signals: Path | None, runs: Path, out: Path) -> None:
    """Add P(correct | score) to the weights NAMES, all by default."""
    for name in names or GROUPS:
        file = out / f"{name}.safetensors"
        weights = weights_io.load(file)
        results = load_group(data, name, signals, runs)
        folds = folds_of(runs / name, replace(weights, calibration=None))
        scored = hold_out_each(results, folds)
        again = calibrate_on([(results[key], some) for key, some in scored.items()], weights)
        after = with_correct_probability(weights, again)
        weights_io.save(after, file)
        click.echo(f"{name}: {CorrectProbability.of(after)}")


if __name__ == "__main__":
    main()
