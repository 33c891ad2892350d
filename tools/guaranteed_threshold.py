"""Adds the guaranteed threshold of a repeated training to weights: nothing else is changed.

    python -m tools.group_weights top-down --runs again --out again
    python -m tools.guaranteed_threshold again/top-down.safetensors weights/top-down.safetensors

Scores of images that were not trained on are needed, which only a training has. That it is the same
training is checked by the other thresholds.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from rcnet_rt.errors import WeightsError
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import GUARANTEED, Weights

__all__ = ["main", "with_guarantee"]

TOLERANCE = 1e-3  # of a threshold, between processors


def with_guarantee(weights: Weights, trained: Weights) -> Weights:
    """Return weights with the guaranteed threshold of the same training.

    Raises:
        WeightsError: it was another training, or it assures no threshold.
    """
    for name in ("auto", "p95"):
        ours, theirs = (some.thresholds.get(name, np.nan) for some in (weights, trained))
        if not abs(ours - theirs) <= TOLERANCE:
            raise WeightsError(
                f"the thresholds {name!r} are {ours} and {theirs}: not the same training; repeat "
                "it with the same data and recipe"
            )
    guarantee = trained.training.get("guarantee")
    if GUARANTEED not in trained.thresholds:
        raise WeightsError(f"the training assures no threshold: {guarantee}")
    return replace(
        weights,
        thresholds={**weights.thresholds, GUARANTEED: trained.thresholds[GUARANTEED]},
        training={**weights.training, "guarantee": guarantee},
    )


@click.command()
@click.argument("trained", type=click.Path(path_type=Path, exists=True))
@click.argument("weights", type=click.Path(path_type=Path, exists=True))
def main(trained: Path, weights: Path) -> None:
    """Add the guaranteed threshold of TRAINED to WEIGHTS, in place."""
    after = with_guarantee(weights_io.load(weights), weights_io.load(trained))
    weights_io.save(after, weights)
    click.echo(f"{weights}: guaranteed {after.thresholds[GUARANTEED]:.4f}")


if __name__ == "__main__":
    main()
