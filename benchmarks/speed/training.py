"""Times training epochs: `python -m benchmarks.speed.training [--poses N] [--device D]`.

The paper's network, batch and loss come first, beside the paper's 14.4 µs a pose (appendix B: an
epoch of about 300,000 poses in 4.32 s on an RTX 3090); then bigger steps and the residual preset.
The poses are random: their values do not change the time. An epoch is timed as `train` runs it,
batches, loss, optimizer and weight averaging included.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch

from benchmarks.common import Results, json_option, report
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring import features
from rcnet_rt.training.config import PRESETS, Recipe
from rcnet_rt.training.dataset import RankingSet
from rcnet_rt.training.loop import Epoch, train

__all__ = ["main", "measure", "random_set"]

PAPER = 14.4  # µs a pose, RTX 3090
POSES = 150_000  # the labelled people of COCO's train2017
STEPS = (128, 512, 2048)  # poses a step


def measure(
    poses: int = POSES, steps: Sequence[int] = STEPS, device: str | None = None, epochs: int = 3
) -> Results:
    """Time epochs of both presets; the figures of the first, the paper's, are at the top level."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    records = [
        epoch(replace(PRESETS[preset], poses_per_step=step), preset, poses, device, epochs)
        for preset in ("paper", "residual")
        for step in steps
    ]
    return {**records[0], "paper_microseconds_a_pose": PAPER, "all": records}


def epoch(recipe: Recipe, preset: str, poses: int, device: str, epochs: int) -> Results:
    """Time epochs after a first one, which warms up; the median is what counts."""
    stamps = []
    parameters = 0

    def on_epoch(done: Epoch) -> None:
        nonlocal parameters
        stamps.append(time.perf_counter())  # the mean loss is there: so is all before it
        parameters = sum(parameter.numel() for parameter in done.network.parameters())

    data = random_set(poses, features.get(recipe.features).size(COCO17))
    train(replace(recipe, epochs=epochs + 1), data, device=device, on_epoch=on_epoch)
    seconds = np.diff(stamps)
    return {
        "preset": preset,
        "epoch_seconds": float(np.median(seconds)),
        "fastest": float(seconds.min()),
        "microseconds_a_pose": float(np.median(seconds)) / poses * 1e6,
        "poses": poses,
        "batch": recipe.poses_per_step,
        "parameters": parameters,
        "dropout": recipe.dropout,
        "device": device,
        "threads": torch.get_num_threads(),
    }


def random_set(poses: int, feature_count: int) -> RankingSet:
    """Return random poses, 1 to 7 an image, as many as detectors find on COCO's images."""
    random = np.random.default_rng(0)
    starts = np.append(0, np.cumsum(random.integers(1, 8, poses)))
    starts = np.append(starts[starts < poses], poses)
    matrix, mirrored = random.standard_normal((2, poses, feature_count), dtype=np.float32)
    targets = np.maximum(random.uniform(-0.3, 1, poses), 0)  # some are unmatched
    return RankingSet(
        features=matrix,
        mirrored=mirrored,
        baseline=random.standard_normal(poses, dtype=np.float32),
        targets=targets.astype(np.float32),
        weights=np.ones(poses, np.float32),
        image=np.repeat(np.arange(len(starts) - 1), np.diff(starts)),
        starts=starts,
        estimator=np.zeros(len(starts) - 1, np.int64),
    )


@click.command()
@click.option("--poses", default=POSES, show_default=True, help="In an epoch.")
@click.option("--epochs", default=3, show_default=True, help="Timed, after one that warms up.")
@click.option(
    "--steps", type=int, multiple=True, default=STEPS, show_default=True, help="Poses a step."
)
@click.option("--device", help="As torch spells it.  [default: a GPU where there is one]")
@json_option
def main(
    poses: int, epochs: int, steps: tuple[int, ...], device: str | None, json_file: Path | None
) -> None:
    """Time training epochs."""
    report("one training epoch", measure(poses, steps, device, epochs), json_file)


if __name__ == "__main__":
    main()
