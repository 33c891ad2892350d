"""`rcnet-rt train`: a data set and estimators' results in; weights with their gain out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from rcnet_rt.cli.named_files import by_name, named_file
from rcnet_rt.cli.option_types import OptionWithFormerNames
from rcnet_rt.cli.options import (
    announce,
    dataset_options,
    debug_option,
    device_option,
    model_option,
)
from rcnet_rt.cli.progress import epoch_bar, frame_bar
from rcnet_rt.cli.recipe_options import chosen_recipe, recipe_options
from rcnet_rt.cli.tables import comparison_table, wide_console
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.compare import Comparison
from rcnet_rt.evaluation.report_rows import formatted
from rcnet_rt.poses import skeletons
from rcnet_rt.rescoring import features
from rcnet_rt.training.config import Recipe
from rcnet_rt.workflows.predict import predict_splits
from rcnet_rt.workflows.train import TrainingResult, new_run_folder
from rcnet_rt.workflows.train import train as train_weights
from rcnet_rt.workflows.training_result import TrainedEstimator
from rcnet_rt.workflows.training_run import is_run

__all__ = ["train"]


@click.command()
@dataset_options
@click.option(
    "--predictions",
    multiple=True,
    metavar="[NAME=]FILE",
    type=named_file,
    show_default="those of --model, made first",
    help="COCO results, plain or .gz; repeat for several. Files of one NAME, or of none, are one "
    "estimator's; several estimators are trained on together.",
)
@model_option(
    "The estimator that predicts where there are no --predictions. A .pt file is a program: load "
    "only those you trust."
)
@click.option(
    "--augmented",
    "augmentations",
    cls=OptionWithFormerNames,
    former=["--copies"],
    multiple=True,
    metavar="[NAME=]FILE",
    type=named_file,
    show_default="none",
    help="Results on augmentations of the same images, from predict --augmentations.",
)
@click.option(
    "--leave-out",
    multiple=True,
    metavar="NAME",
    show_default="none",
    help="Estimator that is judged and not trained on; repeat for several.",
)
@click.option(
    "--split", show_default="all that have images", help="Split that --model predicts on."
)
@click.option(
    "--out", type=click.Path(path_type=Path), show_default="runs/<time>", help="Folder of the run."
)
@click.option("--name", default="rcnet", show_default=True, help="Name of the weights.")
@click.option(
    "--skeleton",
    type=click.Choice(skeletons.names()),
    show_default="the data set's",
    help="For CrowdPose crowdpose14-torso measures poses by the torso; crowdpose14, as DEKR's code "
    "does, by the left leg.",
)
@recipe_options
@device_option("Where the network is trained: auto, cpu, cuda, cuda:1, …", "cpu")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    show_default="one a core; 1 on a GPU or for little work",
    help="How many folds are trained at once, in processes of their own. The weights are the same.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    show_default="5, below 5,000 images",
    help="Hold every image out once, in k folds.",
)
@click.option(
    "--val-fraction",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    show_default="0.1, from 5,000 images on",
    help="Hold this share of the images out, once.",
)
@click.option("--val-split", show_default="none", help="Hold the images of this split out.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@click.option(
    "--report", is_flag=True, help="Write a page on the held-out images: report/ in --out."
)
@click.option(
    "--joints/--no-joints",
    default=True,
    show_default=True,
    help="Also train the joint head: a confidence and a covariance of each joint.",
)
@debug_option
def train(
    dataset: Dataset,
    predictions: tuple[tuple[str, Path], ...],
    augmentations: tuple[tuple[str, Path], ...],
    leave_out: tuple[str, ...],
    workers: int | None,
    model: str,
    split: str | None,
    out: Path | None,
    name: str,
    preset: str,
    skeleton: str | None,
    device: str,
    resume: bool,
    report: bool,
    joints: bool,
    folds: int | None,
    val_fraction: float | None,
    val_split: str | None,
    **changes: Any,
) -> None:
    """Train a network that re-scores the poses of an estimator or several; show what it gains.

    The gain is measured on images that the network did not see. By default every image is held out
    once in 5 folds (above 5,000 images: a tenth of them, once); the network that is kept is then
    trained on all of them. Everything goes into --out: the weights, their model card, a log with
    its curves as curves.png, and TensorBoard events where the package tensorboard is installed.
    """
    if sum(value is not None for value in (folds, val_fraction, val_split)) > 1:
        raise click.UsageError("--folds, --val-fraction and --val-split exclude each other")
    if out is None and resume:
        raise click.UsageError("--resume needs --out, the folder of the run to go on with")
    if skeleton is not None:
        dataset = dataset.with_skeleton(skeletons.get(skeleton))
    folder = out or new_run_folder()
    recipe = chosen_recipe(preset, changes)
    results = by_name(predictions) or _predict(dataset, model, split, recipe, folder, device)
    with _resumable(folder), epoch_bar() as bar:
        result = train_weights(
            dataset,
            results,
            out=folder,
            name=name,
            recipe=recipe,
            augmentations=by_name(augmentations),
            leave_out=leave_out,
            folds=folds,
            val_fraction=val_fraction,
            val_split=val_split,
            device=device,
            workers=workers,
            resume=resume,
            report=report,
            joints=joints,
            progress=bar,
        )
    _print(result)


def _predict(
    dataset: Dataset, model: str, split: str | None, recipe: Recipe, folder: Path, device: str
) -> list[Path]:
    announce(model)
    with frame_bar() as bar:
        return predict_splits(
            dataset,
            model,
            folder,
            split=split,
            max_det=recipe.max_poses,
            embeddings=features.get(recipe.features).visual,
            device=device,
            progress=bar,
        )


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Say how to go on after an interruption."""
    try:
        yield
    except KeyboardInterrupt:
        if is_run(folder):
            click.echo(
                f"Stopped; the finished epochs are kept: add --resume --out {folder} to go on.",
                err=True,
            )
        raise


def _print(result: TrainingResult) -> None:
    weights = result.weights
    console = wide_console()
    several = len(result.estimators) > 1
    named = {name or ("unnamed" if several else ""): it for name, it in result.estimators.items()}
    for name, estimator in named.items():
        _print_estimator(console, name, estimator)
    thresholds = ", ".join(f"{name} {value:.3f}" for name, value in weights.thresholds.items())
    console.print(f"Thresholds: {thresholds}.")
    console.print(f"Weights: {result.weights_file}; model card: {result.card_file}", soft_wrap=True)
    for name, estimator in named.items():
        subject = f"{name}: " if name else ""
        console.print(subject + _verdict(estimator.evaluation.all_images), markup=False)
    for page in result.report_pages.values():
        click.echo(f"report -> {page}")


def _print_estimator(console: Console, name: str, estimator: TrainedEstimator) -> None:
    """Print the tables of an estimator and its calibration error."""
    over = f"{name}, left out" if estimator.files.is_left_out else name
    for table in comparison_table(estimator.evaluation, over):
        console.print(table)
    errors = estimator.calibration_errors.items()
    figures = [f"{score} {formatted(error, '.3f')}" for score, error in errors]
    console.print(f"Calibration error against OKS: {', '.join(figures)}.")


def _verdict(comparison: Comparison) -> str:
    """Say whether the weights are worth using."""
    gain, refined = comparison.gain, comparison.after.metrics.ap
    if gain.high < 0:
        return "These weights are worse than the raw scores: do not use them."
    better = [name for name, peer in comparison.baselines.items() if peer.metrics.ap > refined]
    if better:
        return (
            f"The baseline {better[0]} alone is better than these weights: use it, or train on "
            "more images (predict --augmentations makes more of few)."
        )
    if not gain.low > 0:
        return "The interval of the gain includes 0: on this much data the gain is not certain."
    return "The 95 % interval of the gain over the raw scores is above 0."
