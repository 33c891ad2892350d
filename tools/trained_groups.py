"""The trainings of `tools.group_weights`: their results, and the weights of their folds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from safetensors.numpy import load_file

from benchmarks.common import data_option
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.examples import Examples
from rcnet_rt.training.splits import Split
from rcnet_rt.workflows.training_data import estimator_files, load_estimators
from tools.group_weights import GROUPS, WITH_SIGNALS, others_of

__all__ = ["TrainedGroup", "folds_of", "group_options", "load_group", "trained_groups"]


@dataclass(frozen=True, eq=False)
class TrainedGroup:
    """Shipped weights and what they were trained on.

    Attributes:
        name: in `GROUPS`.
        file: of the weights.
        weights: as the file has them.
        run: folder of the training.
        results: of the estimators that they were trained on, by name.
    """

    name: str
    file: Path
    weights: Weights
    run: Path
    results: Mapping[str, LabeledResults]

    @property
    def recipe(self) -> Recipe:
        """The recipe of the score's training."""
        return GROUPS[self.name].recipe

    def folds(self) -> list[tuple[Split, Weights]]:
        """Return `folds_of` the training."""
        return folds_of(self.run, self.weights, self.results, self.recipe)


def trained_groups(
    data: Path, names: Sequence[str], signals: Path | None, runs: Path, out: Path
) -> Iterator[TrainedGroup]:
    """Yield the groups NAMES, all by default; the arguments are those of `group_options`."""
    for name in names or GROUPS:
        file = out / f"{name}.safetensors"
        results = load_group(data, name, signals, runs)
        yield TrainedGroup(name, file, weights_io.load(file), runs / name, results)


def group_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add to a command the arguments of `trained_groups`."""
    folder = click.Path(path_type=Path)
    options = [
        data_option,
        click.argument("names", type=click.Choice(list(GROUPS)), nargs=-1),
        click.option(
            "--signals", type=click.Path(path_type=Path, exists=True), help="For yolo-pose."
        ),
        click.option("--runs", type=folder, default=Path("runs"), show_default=True),
        click.option("--out", type=folder, default=Path("weights"), show_default=True),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def load_group(
    data: Path, group: str, signals: Path | None, runs: Path
) -> dict[str, LabeledResults]:
    """Return the results of the estimators that weights are for, by name."""
    names = GROUPS[group].estimators
    files = {name: [data / "predictions" / file] for name, file in names.items()}
    if WITH_SIGNALS in files and signals is not None:
        files[WITH_SIGNALS] = [signals, others_of(files[WITH_SIGNALS][0], signals, runs)]
    return load_estimators(Dataset(data / "coco-val"), estimator_files(files, (), ()))


def folds_of(
    run: Path, weights: Weights, results: Mapping[str, LabeledResults], recipe: Recipe
) -> list[tuple[Split, Weights]]:
    """Return the splits of a run with the weights of each, as far as a score needs them.

    Args:
        run: folder of the training.
        weights: that came of it.
        results: of the estimators that it was trained on.
        recipe: of it.
    """
    described = json.loads((run / "run.json").read_text(encoding="utf-8"))
    held_out = [tuple(images) for images in described["held-out images"]]
    everything = {image for images in held_out for image in images}
    examples = Examples(results, recipe)
    parts = []
    for number, images in enumerate(held_out, 1):
        name = f"fold {number} of {len(held_out)}"
        file = run / "checkpoints" / f"{name.replace(' ', '-')}.safetensors"
        kept = {key.removeprefix("averaged."): value for key, value in load_file(file).items()}
        tensors = {key: np.asarray(kept[key]) for key in weights.tensors}
        split = Split(name, tuple(sorted(everything - set(images))), images)
        # Checkpoints do not keep the scale of an unbounded baseline; it follows from the images.
        scale = examples.baseline_scale(weights.baseline, split)
        part = replace(weights, tensors=tensors, baseline_scale=scale, joints=None)
        parts.append((split, part))
    return parts
