"""`rcnet-rt predict`: an estimator over a dataset's images, COCO results out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from rcnet_rt.cli.options import (
    OptionWithFormerNames,
    announce,
    dataset_options,
    debug_option,
    model_option,
    recheck_option,
)
from rcnet_rt.cli.progress import progress_bar
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.results import read_results
from rcnet_rt.datasets.resume import partial_path
from rcnet_rt.errors import RcnetError
from rcnet_rt.estimators.recheck import Recheck
from rcnet_rt.files.writing import check_output_file
from rcnet_rt.workflows.predict import FLOOR, Job, SplitImages, predict_split

__all__ = ["predict"]

ABSENT = {
    "consensus": "candidates (it suppresses none, or inside the network): the results have no "
    "consensus",
    "embedding": "features (a YOLO-Pose .pt file does, unless it is end-to-end): the results have "
    "no embeddings",
}


@click.command()
@dataset_options
@click.option("--split", help="Which images.  [default: val2017; of CrowdPose, val]")
@model_option(
    "The estimator, as `run` takes it, but no replay: a YOLO-Pose name, a .pt, .onnx, .engine "
    "file, an OpenVINO folder, rtmpose, rtmo, vitpose, … A .pt file is a program: load only those "
    "you trust."
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
    "most",
    cls=OptionWithFormerNames,
    former=["--most"],
    type=click.IntRange(min=1),
    help="Keep only the so many best poses of each image; COCO counts 20.  [default: all]",
)
@click.option("--limit", type=click.IntRange(min=1), help="Take only the first so many images.")
@click.option(
    "--augmentations",
    "augmentations",
    cls=OptionWithFormerNames,
    former=["--copies"],
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Predict so many altered copies of each image instead (other sizes, light, sharpness): "
    "more to learn from, for train --augmented.",
)
@click.option(
    "--candidates",
    is_flag=True,
    help="Add what the candidates that suppression threw away say of each pose (YOLO-Pose): costs "
    "no inference, makes better scores.",
)
@click.option(
    "--embeddings",
    is_flag=True,
    help="Add what the network saw of each pose (YOLO-Pose as a .pt file, not end-to-end), for "
    "train --features paper+visual: costs no inference.",
)
@recheck_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …")
@debug_option
def predict(
    dataset: Dataset,
    split: str | None,
    model: str,
    out: Path,
    floor: float,
    most: int | None,
    limit: int | None,
    augmentations: int,
    candidates: bool,
    embeddings: bool,
    recheck: int,
    device: str,
) -> None:
    """Run an estimator over a dataset's images and write COCO results with its own scores.

    Images that are done are kept in OUT.partial: after an interruption the same command goes on
    with the rest. OUT appears when all are done.
    """
    announce(model)
    check_output_file(out)
    split = split or dataset.usual_split
    done = 0
    with progress_bar() as bar:

        def start(split_images: SplitImages, before: int) -> None:
            nonlocal done
            done = before
            missing = (
                f"; {split_images.missing:,} have no image here" if split_images.missing else ""
            )
            continued = f"; going on after {before:,}" if before else ""
            click.echo(
                f"{len(split_images.paths):,} images of {split}{missing}{continued}", err=True
            )
            bar.start(split, len(split_images.paths) - before)

        def looked(twice: Recheck) -> None:
            click.echo(
                f"recheck: {twice.looks:,} close-ups in {twice.seconds:.1f} s; it moved "
                f"{twice.moved:,} refined scores by more than 0.1",
                err=True,
            )

        def advance(_: int) -> None:
            nonlocal done
            done += 1
            bar.advance()

        try:
            split_images = predict_split(
                dataset,
                Job(model, split, floor, augmentations, candidates, embeddings, recheck, most),
                out,
                device=device,
                limit=limit,
                on_start=start,
                on_image=advance,
                on_recheck=looked,
            )
        except (RcnetError, KeyboardInterrupt):
            if done:
                click.echo(
                    f"{done:,} images are done and kept in {partial_path(out)}; the same command "
                    "goes on from there.",
                    err=True,
                )
            raise
    asked = {"consensus": candidates, "embedding": embeddings}
    _tell_absent(model, out, [key for key, wanted in asked.items() if wanted])
    click.echo(f"{len(split_images.paths):,} images predicted with {model} -> {out}")


def _tell_absent(model: str, out: Path, keys: Sequence[str]) -> None:
    """Say what was asked for and is in no entry of the results."""
    entries = read_results(out) if keys else []
    for key in keys:
        if not any(key in entry for entry in entries):
            click.echo(f"{model} shows no {ABSENT[key]}.", err=True)
