"""`rcnet-rt predict`: an estimator over a dataset's images, or over videos and images.

Of a dataset it writes COCO results, of sources refined poses as Parquet, see `cli.fleet`. Options
of one kind are wrong usage with the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rcnet_rt.cli.fleet import Shard, predict_fleet
from rcnet_rt.cli.option_types import OptionWithFormerNames
from rcnet_rt.cli.options import (
    announce,
    backend_option,
    debug_option,
    device_option,
    given_options,
    model_option,
    optional_dataset_options,
    parallel_options,
    recheck_option,
    threshold_option,
    weights_option,
    yolo_options,
)
from rcnet_rt.cli.progress import frame_bar
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.resume import partial_path
from rcnet_rt.errors import RcnetError
from rcnet_rt.workflows.fleet.run import SEGMENT
from rcnet_rt.workflows.predict import FLOOR, PredictedSplit
from rcnet_rt.workflows.predict import predict as predict_split
from rcnet_rt.workflows.progress import Progress

__all__ = ["predict"]

ABSENT = {
    "consensus": "candidates (it suppresses none, or inside the network): the results have no "
    "consensus",
    "embedding": "features (a YOLO-Pose .pt file does, unless it is end-to-end): the results have "
    "no embeddings",
}

# Options of one kind of input alone.
OF_DATASETS = (
    "coco", "crowdpose", "split", "floor", "max_det", "limit", "augmentations", "candidates",
    "embeddings",
)  # fmt: skip
OF_SOURCES = (
    "weights", "conf", "backend", "track", "segment", "shard", "ray",
)  # fmt: skip


@click.command()
@click.argument("sources", nargs=-1)
@optional_dataset_options
@click.option(
    "--split",
    show_default="val2017; of CrowdPose, val",
    help="Predict the images of this split.",
)
@model_option(
    "The estimator, as `run` takes it, but no replay: a YOLO-Pose name, a .pt, .onnx, .engine, "
    ".tflite file, an OpenVINO folder, rtmpose, rtmo, vitpose, … A .pt file is a program: load "
    "only those you trust."
)
@click.option(
    "--out",
    required=True,
    metavar="FILE|DIR",
    help="Of a dataset, the results file, gzipped if its name ends in .gz; of SOURCES, the folder, "
    "here or on an object store.",
)
@click.option(
    "--floor",
    type=click.FloatRange(0, 1),
    default=FLOOR,
    show_default=True,
    help="Leave out poses with a lower raw score. Low on purpose: training needs the bad ones too.",
)
@click.option(
    "--max-det",
    "max_det",
    cls=OptionWithFormerNames,
    former=["--most"],
    type=click.IntRange(min=1),
    show_default="all",
    help="Keep only so many poses of each image, the best by raw score; COCO counts 20.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    show_default="all",
    help="Take only the first so many images.",
)
@click.option(
    "--augmentations",
    "augmentations",
    cls=OptionWithFormerNames,
    former=["--copies"],
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Predict on so many augmentations of each image instead (other sizes, light, sharpness): "
    "more training data, for train --augmented.",
)
@click.option(
    "--candidates",
    is_flag=True,
    help="Add what the candidates that NMS removed say of each pose (YOLO-Pose): costs no "
    "inference, makes better scores.",
)
@click.option(
    "--embeddings",
    is_flag=True,
    help="Add the features of each pose in the network (YOLO-Pose as a .pt file, not end-to-end), "
    "for train --features paper+visual: costs no inference.",
)
@weights_option(
    "What refines (of SOURCES): auto, a shipped name, a .safetensors file, formula:NAME."
)
@threshold_option
@click.option("--track", is_flag=True, help="Track people; a video is then one part.")
@click.option(
    "--segment",
    type=click.FloatRange(min=0),
    default=SEGMENT,
    show_default=True,
    metavar="SECONDS",
    help="Divide videos into parts that are about so long; 0 leaves them whole.",
)
@click.option(
    "--shard",
    type=Shard(),
    default="1/1",
    show_default=True,
    help="Only the I-th of N shares of the sources, as for a SLURM array: "
    "--shard $SLURM_ARRAY_TASK_ID/8.",
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    show_default="processes of this machine",
    help="Run the workers on a Ray cluster: its address, auto, or local to start one here.",
)
@recheck_option
@yolo_options
@device_option(
    "Where networks run: auto, cpu, cuda, …; of SOURCES also several, for the workers in turn: "
    "cuda:0,cuda:1."
)
@backend_option
@parallel_options
@debug_option
@click.pass_context
def predict(
    ctx: click.Context,
    /,
    sources: tuple[str, ...],
    dataset: Dataset | None,
    model: str,
    out: str,
    **options: Any,
) -> None:
    """Run an estimator over a dataset's images, or over SOURCES: videos and images.

    With --coco or --crowdpose: COCO results with the estimator's own scores. Images that are done
    are kept in OUT.partial: after an interruption the same command goes on with the rest. OUT
    appears when all are done.

    With SOURCES (files, folders, globs, .txt files with one of these a line; paths, or addresses
    such as s3://bucket/*.mp4): refined poses as Parquet, in a folder whose parts appear whole. The
    same command goes on with those that are missing. What cannot be decoded is a row of
    failed.parquet, and the exit code is then 1. --workers N are then processes (actors, with
    --ray), each with an estimator of its own and its share of --threads; auto is one.
    """
    others = given_options(ctx, OF_SOURCES if dataset is not None else OF_DATASETS)
    if sources and dataset is not None:
        raise click.UsageError("give SOURCES, or a dataset by --coco or --crowdpose, not both")
    if others:
        kind = "a dataset" if dataset is not None else "SOURCES"
        raise click.UsageError(f"{', '.join(others)}: not an option of predicting {kind}")
    foreign = OF_SOURCES if dataset is not None else OF_DATASETS
    chosen = {name: value for name, value in options.items() if name not in foreign}
    if dataset is not None:
        _predict_dataset(dataset, model, Path(out), **chosen)
        return
    if not sources:
        raise click.UsageError("give SOURCES, or a dataset by --coco DIR or --crowdpose DIR")
    predict_fleet(sources, model, out, threshold=chosen.pop("conf"), **chosen)


def _predict_dataset(
    dataset: Dataset,
    model: str,
    out: Path,
    **options: Any,
) -> None:
    announce(model)
    done = 0
    with frame_bar() as bar:

        def show(step: Progress) -> None:
            nonlocal done
            done = step.done
            bar(step)

        try:
            predicted = predict_split(dataset, model, out, progress=show, **options)
        except (RcnetError, KeyboardInterrupt):
            if done:
                click.echo(
                    f"{done:,} images are done and kept in {partial_path(out)}; the same command "
                    "goes on from there.",
                    err=True,
                )
            raise
    _print(predicted, model)


def _print(predicted: PredictedSplit, model: str) -> None:
    if (cost := predicted.recheck) is not None:
        click.echo(
            f"recheck: {cost.crops:,} crops in {cost.seconds:.1f} s; it moved "
            f"{cost.changed:,} refined scores by more than 0.1",
            err=True,
        )
    for key in predicted.absent:
        click.echo(f"{model} shows no {ABSENT[key]}.", err=True)
    click.echo(f"{predicted.images:,} images predicted with {model} -> {predicted.path}")
