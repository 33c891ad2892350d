"""`rcnet-rt train`: a COCO folder and an estimator's results in; weights that gained, out."""

from __future__ import annotations

import importlib.util
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rcnet_rt.cli.options import (
    OptionWithFormerNames,
    announce,
    dataset_options,
    debug_option,
    model_option,
)
from rcnet_rt.cli.tables import comparison_table
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.files import write_bytes
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.compare import Comparison, Evaluation
from rcnet_rt.poses import skeletons
from rcnet_rt.report.folder import PAGE, check_folder
from rcnet_rt.report.held_out import write_held_out_report
from rcnet_rt.report.png import encode, require_packages
from rcnet_rt.report.tensorboard import EventFiles
from rcnet_rt.report.training_curves import read_log, training_curves
from rcnet_rt.rescoring import features
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training import fit, losses
from rcnet_rt.training.config import PRESETS, Recipe
from rcnet_rt.workflows import predict
from rcnet_rt.workflows.predict import Job
from rcnet_rt.workflows.train import HoldOut, Run, load_data, train_run

__all__ = ["train"]

Report = Callable[[fit.Progress], None]


@click.command()
@dataset_options
@click.option(
    "--predictions",
    multiple=True,
    type=click.Path(path_type=Path),
    help="COCO results of the estimator, plain or .gz; repeat for several. Without it --model "
    "predicts first.",
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
    type=click.Path(path_type=Path),
    help="Results on augmentations of the same images, from predict --augmentations.",
)
@click.option("--split", help="Split that --model predicts on.  [default: all that have images]")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/<time>]"
)
@click.option("--name", default="rcnet", show_default=True, help="Name of the weights.")
@click.option("--preset", type=click.Choice(list(PRESETS)), default="residual", show_default=True)
@click.option("--epochs", type=click.IntRange(min=1))
@click.option("--arch", type=click.Choice(["attention", "mlp", "linear"]))
@click.option("--features", type=click.Choice(list(features.FEATURE_SETS)))
@click.option(
    "--skeleton",
    type=click.Choice(skeletons.names()),
    help="For CrowdPose crowdpose14-torso measures poses by the torso; crowdpose14, as DEKR's code "
    "does, by the left leg.  [default: the data set's]",
)
@click.option(
    "--baseline",
    "baseline",
    cls=OptionWithFormerNames,
    former=["--base"],
    help="Baseline; auto is the best on the training images.",
)
@click.option("--target", type=click.Choice(["oks", "share"]))
@click.option("--loss", type=click.Choice(list(losses.LOSSES)))
@click.option("--margin", type=click.FloatRange(0, 1), help="Of the rank loss.")
@click.option(
    "--positive", type=click.FloatRange(0, 1, min_open=True),
    help="Matched OKS from which a pose is right, of the losses ap and dr.",
)  # fmt: skip
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True))
@click.option("--seed", type=click.IntRange(min=0))
@click.option("--device", default="cpu", show_default=True)
@click.option("--folds", type=click.IntRange(min=2), help="Hold every image out once, in k folds.")
@click.option(
    "--val-fraction", type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Hold this share of the images out, once.",
)  # fmt: skip
@click.option("--val-split", help="Hold the images of this split out.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@click.option(
    "--report", is_flag=True, help="Write a page on the held-out images: report/ in --out."
)
@debug_option
def train(
    dataset: Dataset,
    predictions: tuple[Path, ...],
    augmentations: tuple[Path, ...],
    model: str,
    split: str | None,
    out: Path | None,
    name: str,
    preset: str,
    skeleton: str | None,
    device: str,
    resume: bool,
    report: bool,
    folds: int | None,
    val_fraction: float | None,
    val_split: str | None,
    **changes: Any,
) -> None:
    """Train a network that re-scores an estimator's poses, and show what it gains.

    The gain is measured on images that the network did not see. By default every image is held out
    once in 5 folds (above 5,000 images: a tenth of them, once); the network that is kept is then
    trained on all of them. Everything goes into --out: the weights, their model card, a log with
    its curves as curves.png, and TensorBoard events where the package tensorboard is installed.
    """
    hold_out = HoldOut(folds, val_fraction, val_split)
    if sum(value is not None for value in asdict(hold_out).values()) > 1:
        raise click.UsageError("--folds, --val-fraction and --val-split exclude each other")
    if out is None and resume:
        raise click.UsageError("--resume needs --out, the folder of the run to go on with")
    if skeleton is not None:
        dataset = dataset.with_skeleton(skeletons.get(skeleton))
    folder = out or Path("runs") / time.strftime("%Y-%m-%d_%H-%M-%S")
    changes["architecture"] = changes.pop("arch")
    recipe = replace(
        PRESETS[preset], **{name: value for name, value in changes.items() if value is not None}
    )
    _check_options(recipe.loss, changes)
    console = Console(stderr=True)
    results = list(predictions) or _predict(dataset, model, split, recipe, folder, device, console)
    data = load_data(dataset, results, augmentations)
    fit.embedding_size(data, recipe)  # refused before the folder is claimed
    parts = hold_out.splits(data, recipe.seed)
    run = Run(folder, name, recipe, results, parts, augmentations, dataset.skeleton.name)
    if report:
        require_packages()
        check_folder(run.report)
    run.claim(resume)
    with _interruptible(run), _reporter(run, console) as progress:
        outcome = train_run(run, data, device=device, progress=progress)
    _draw_curves(run)
    _show(outcome.evaluation, outcome.weights, run)
    if report:
        write_held_out_report(run.report, data, outcome.held_out, outcome.weights, dataset)
        click.echo(f"report -> {run.report / PAGE}")


def _check_options(loss: str, given: Mapping[str, Any]) -> None:
    """Refuse an option of another loss, which would change nothing."""
    owners = {
        option: [name for name, other in losses.LOSSES.items() if option in other.options]
        for option in ("margin", "positive")
    }
    for option, names in owners.items():
        if given.get(option) is not None and loss not in names:
            raise click.UsageError(f"--{option} belongs to --loss {' and '.join(names)}")


def _predict(
    dataset: Dataset,
    model: str,
    split: str | None,
    recipe: Recipe,
    folder: Path,
    device: str,
    console: Console,
) -> list[Path]:
    """Run the estimator over the splits that have images; resumable like the rest.

    What is not learned from is not kept: of all of COCO it would be gigabytes.
    """
    announce(model)
    folder.mkdir(parents=True, exist_ok=True)
    embeddings = features.get(recipe.features).visual
    paths = []
    for part in [split] if split else _with_images(dataset):
        path = folder / f"predictions_{part}.json.gz"
        if not path.exists():
            console.print(f"{model} predicts {part} …")
            job = Job(model, part, candidates=True, embeddings=embeddings, most=recipe.max_poses)
            predict.predict_split(dataset, job, path, device=device)
        paths.append(path)
    return paths


def _with_images(dataset: Dataset) -> list[str]:
    """Return the splits that have images here.

    Raises:
        DatasetError: none has.
    """
    found, faults = [], []
    for part in dataset.splits():
        try:
            predict.find_images(dataset, part)
            found.append(part)
        except DatasetError as error:
            faults.append(error)
    if not found:
        raise faults[0]
    return found


@contextmanager
def _interruptible(run: Run) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo(
            f"Stopped; the finished epochs are kept: add --resume --out {run.folder} to go on.",
            err=True,
        )
        raise


@contextmanager
def _reporter(run: Run, console: Console) -> Iterator[Report]:
    """Show a bar on a terminal, and write one line an epoch to the log."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with (
        open(run.log, "a", encoding="utf-8") as log,
        EventFiles(run.events) as events,
        Progress(*columns, console=console, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("training", total=run.epochs)

        def report(progress: fit.Progress) -> None:
            values = {
                key: None if isinstance(value, float) and math.isnan(value) else value
                for key, value in asdict(progress).items()
            }
            log.write(json.dumps(values) + "\n")
            log.flush()
            events.write(progress)
            text = f"{progress.split}, epoch {progress.epoch}: loss {progress.loss:.4f}"
            if not math.isnan(progress.ap):
                text += f", AP {100 * progress.ap:.2f}, ranking {progress.ranking_accuracy:.3f}"
            bar.update(task, description=text, advance=1)

        yield report


def _draw_curves(run: Run) -> None:
    """Draw the whole log, what was there before a resume too; without matplotlib, nothing."""
    if importlib.util.find_spec("matplotlib") is not None:
        write_bytes(run.curves, encode(training_curves(read_log(run.log))))


def _show(evaluation: Evaluation, weights: Weights, run: Run) -> None:
    console = Console(width=None if Console().is_terminal else 120)
    for table in comparison_table(evaluation):
        console.print(table)
    errors = weights.training["calibration_error"]
    console.print(
        f"Calibration error against OKS: raw {errors['raw']:.3f}, refined {errors['refined']:.3f}, "
        f"calibrated {errors['calibrated']:.3f}."
    )
    thresholds = ", ".join(f"{name} {value:.3f}" for name, value in weights.thresholds.items())
    console.print(f"Thresholds: {thresholds}.")
    console.print(f"Weights: {run.weights}; model card: {run.card}", soft_wrap=True)
    console.print(_verdict(evaluation.all_images))


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
