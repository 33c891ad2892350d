"""`rcnet-rt adapt`: weights for an estimator from images that nobody labeled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rcnet_rt.cli.options import (
    announce,
    debug_option,
    device_option,
    given_options,
    model_option,
    optional_dataset_options,
    parallel_options,
    yolo_options,
)
from rcnet_rt.cli.progress import frame_bar
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.training.adaptation import ENOUGH_IMAGES
from rcnet_rt.workflows.adapt import AUGMENTATIONS, MAX_IMAGES, AdaptedWeights, adapt_results
from rcnet_rt.workflows.adapt import adapt as adapt_to_sources

__all__ = ["adapt"]


@click.command()
@click.argument("sources", nargs=-1)
@model_option(
    "The estimator, as `run` takes it, but no replay. A .pt file is a program: load only those "
    "you trust."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Weights to write, NAME.safetensors; the model card is NAME.md beside it.",
)
@click.option(
    "--augmentations",
    type=click.IntRange(min=1),
    default=AUGMENTATIONS,
    show_default=True,
    help="How many augmentations of each image the estimator is run on.",
)
@click.option(
    "--max-images",
    type=click.IntRange(min=1),
    default=MAX_IMAGES,
    show_default=True,
    help="Take at most so many images and frames of SOURCES, at even distances.",
)
@click.option(
    "--predictions",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    show_default="made of SOURCES",
    help="COCO results of the estimator instead of SOURCES, with --augmented and a dataset; "
    "repeat for several.",
)
@click.option(
    "--augmented",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    show_default="made of SOURCES",
    help="Results on augmentations of the same images, from predict --augmentations.",
)
@optional_dataset_options
@yolo_options
@device_option()
@parallel_options
@debug_option
@click.pass_context
def adapt(
    ctx: click.Context,
    /,
    sources: tuple[str, ...],
    model: str,
    out: Path,
    predictions: tuple[Path, ...],
    augmented: tuple[Path, ...],
    dataset: Dataset | None,
    **options: Any,
) -> None:
    """Train weights for an estimator on SOURCES without labels: images, videos, folders, globs.

    The estimator runs on each image and on augmentations of it: true poses are found again,
    hallucinations usually are not. The order of the scores is learned from that. Their value is
    calibrated on self-consistency, not on labels; there is no threshold p95 or guaranteed. Only
    for raw scores in [0, 1], and not for top-down estimators. If you have labels, train on them.

    With --predictions and --augmented no image is needed; of the dataset that --coco or
    --crowdpose names, only the sizes of the images are read. An interrupted run on SOURCES begins
    anew; those files can be made by predict, which goes on.
    """
    if predictions or augmented:
        if sources:
            raise click.UsageError("give SOURCES, or --predictions and --augmented, not both")
        if others := given_options(ctx, ["model", *options]):
            raise click.UsageError(f"{', '.join(others)}: not an option of --predictions")
        if not (predictions and augmented and dataset is not None):
            raise click.UsageError(
                "--predictions, --augmented and a dataset (--coco or --crowdpose) belong together"
            )
        _print(adapt_results(dataset, predictions, augmented, out=out))
        return
    if dataset is not None:
        raise click.UsageError("a dataset is for --predictions and --augmented; give SOURCES alone")
    if not sources:
        raise click.UsageError("give SOURCES, or --predictions and --augmented with a dataset")
    announce(model)
    with frame_bar() as bar:
        adapted = adapt_to_sources(sources, model, out=out, progress=bar, **options)
    _print(adapted)


def _print(adapted: AdaptedWeights) -> None:
    click.echo(
        f"Trained on {adapted.poses:,} poses of {adapted.images:,} images, without labels: what "
        "it gains is not known until `rcnet-rt eval` sees labeled images."
    )
    if adapted.images < ENOUGH_IMAGES:
        click.echo(
            f"Note: with fewer than {ENOUGH_IMAGES} images one of four estimators gained nothing; "
            "give more.",
            err=True,
        )
    click.echo(f"Threshold auto: {adapted.weights.thresholds['auto']:.3f}.")
    click.echo(f"Weights: {adapted.weights_file}; model card: {adapted.card_file}")
