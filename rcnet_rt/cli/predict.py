"""`rcnet-rt predict`: an estimator over a data set's images, COCO results out."""

from __future__ import annotations

from pathlib import Path

import click

from rcnet_rt.cli.options import (
    OptionWithFormerNames,
    announce,
    dataset_options,
    debug_option,
    device_option,
    model_option,
    parallel_options,
    recheck_option,
    yolo_options,
)
from rcnet_rt.cli.progress import frame_bar
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.resume import partial_path
from rcnet_rt.errors import RcnetError
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


@click.command()
@dataset_options
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
    type=click.Path(path_type=Path),
    help="Results file to write, gzipped if its name ends in .gz.",
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
@recheck_option
@yolo_options
@device_option()
@parallel_options
@debug_option
def predict(
    dataset: Dataset,
    split: str | None,
    model: str,
    out: Path,
    floor: float,
    max_det: int | None,
    limit: int | None,
    augmentations: int,
    candidates: bool,
    embeddings: bool,
    recheck: int,
    imgsz: tuple[int, int] | None,
    half: bool,
    device: str,
    workers: int | None,
    threads: int | None,
) -> None:
    """Run an estimator over a data set's images and write COCO results with its own scores.

    Images that are done are kept in OUT.partial: after an interruption the same command goes on
    with the rest. OUT appears when all are done.
    """
    announce(model)
    done = 0
    with frame_bar() as bar:

        def show(step: Progress) -> None:
            nonlocal done
            done = step.done
            bar(step)

        try:
            predicted = predict_split(
                dataset,
                model,
                out,
                split=split,
                floor=floor,
                max_det=max_det,
                limit=limit,
                augmentations=augmentations,
                candidates=candidates,
                embeddings=embeddings,
                recheck=recheck,
                imgsz=imgsz,
                half=half,
                device=device,
                workers=workers,
                threads=threads,
                progress=show,
            )
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
            f"recheck: {cost.crops:,} close-ups in {cost.seconds:.1f} s; it moved "
            f"{cost.changed:,} refined scores by more than 0.1",
            err=True,
        )
    for key in predicted.absent:
        click.echo(f"{model} shows no {ABSENT[key]}.", err=True)
    click.echo(f"{predicted.images:,} images predicted with {model} -> {predicted.path}")
