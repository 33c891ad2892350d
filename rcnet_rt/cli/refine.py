"""`rcnet-rt refine`: a file of poses in, the same file with better scores out."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from rcnet_rt.cli.options import backend_option, debug_option, device_option, weights_option
from rcnet_rt.files.writing import is_special
from rcnet_rt.refiner import OnError
from rcnet_rt.workflows.rescore import rescore

__all__ = ["refine"]


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write, gzipped if its name ends in .gz. It may be RESULTS itself (not a folder): "
    "it is written whole or not at all.",
)
@weights_option()
@click.option(
    "--joint-confidence",
    is_flag=True,
    help="Add the calibrated confidence and the covariance of each joint (joint_confidence, "
    "joint_covariance); in an OpenPose folder the confidence replaces c. Needs weights with a "
    "joint head.",
)
@click.option(
    "--on-error",
    type=click.Choice(get_args(OnError)),
    default="raise",
    show_default=True,
    help="What to do with a pose whose numbers are not finite: fail, give it its raw score brought "
    "into [0, 1] (NaN: 0), or give it 0. Where people must be avoided, raw is the safe choice.",
)
@device_option()
@backend_option
@debug_option
def refine(
    results: Path,
    out: Path,
    weights: str,
    joint_confidence: bool,
    on_error: OnError,
    device: str,
    backend: str,
) -> None:
    """Re-score a file of poses: COCO results of any tool, JSON Lines, or an OpenPose folder.

    The same entries in the same order with only `score` changed: fields that are not known stay,
    and numbers stay to the bit. Nothing else is needed, no images and no annotations. Weights for
    any estimator compare its scores over the whole file. OpenPose has no score of a person: it is
    added, to a new folder.
    """
    # Where the output is a pipe it may be this very standard output.
    file = rescore(
        results,
        out,
        weights,
        joint_confidence=joint_confidence,
        on_error=on_error,
        device=device,
        backend=backend,
    )
    click.echo(
        f"{file.poses:,} poses of {file.images:,} images re-scored with {file.weights} "
        f"({file.backend}) -> {out}",
        err=not results.is_dir() and is_special(out),
    )
