"""`rcnet-rt run`: a video, images or a camera in; refined, filtered, drawn poses out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rcnet_rt.backends import choice
from rcnet_rt.cli.options import (
    announce,
    debug_option,
    model_option,
    recheck_option,
    threshold_option,
    weights_option,
)
from rcnet_rt.errors import RcnetError
from rcnet_rt.video.source import is_live, split
from rcnet_rt.workflows.summary import RunSummary, summarise
from rcnet_rt.workflows.video import RunOptions, execute

__all__ = ["run"]


@click.command()
@click.argument("source")
@model_option(
    "The estimator: a YOLO-Pose name, a .pt, .onnx or .engine file, an OpenVINO folder; "
    "rtmpose, rtmo, vitpose, keypointrcnn, mmpose (rtmo:lightweight, mmpose:human, …); your own by "
    "module:name; or replay:FILE of any tool. A .pt file is a program: load only those you trust."
)
@weights_option
@threshold_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Drawn video or image, or a folder for many.  [default: <stem>_rcnet.mp4 here]",
)
@click.option("--no-video", is_flag=True, help="Draw nothing.")
@click.option(
    "--json", type=click.Path(path_type=Path), help="Write all poses, kept or not, as JSON Lines."
)
@recheck_option
@click.option(
    "--track",
    is_flag=True,
    help="Follow people, so that nobody blinks: scores weigh earlier frames, and who is kept stays "
    "until the score is clearly below --conf. For videos and cameras; adds no delay.",
)
@click.option("--compare", is_flag=True, help="Raw score left, refined right, twice as wide.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …")
@click.option(
    "--backend",
    type=click.Choice(choice.NAMES),
    default="auto",
    show_default=True,
    help="What runs the refiner.",
)
@click.option("--max-frames", type=click.IntRange(min=1), help="Stop after this many frames.")
@click.option("--realtime", is_flag=True, help="Camera or stream: the newest frame only, for ever.")
@click.option(
    "--sandbox",
    is_flag=True,
    help="Decode files in a process of its own, as streams always are: for files of unknown "
    "origin. Sound is left out.",
)
@click.option(
    "--show", is_flag=True, help="Open a window: q quits, space pauses, r shows raw scores."
)
@click.option(
    "--telemetry", type=click.Path(path_type=Path), help="Write times and counts as JSON."
)
@debug_option
def run(**options: Any) -> None:
    """Refine the poses of SOURCE: a video, image, folder, glob, camera index or stream.

    Streams are rtsp://, http:// and https:// addresses; their credentials are shown nowhere.

    Every pose keeps its keypoints and gets a new score. Poses whose refined score reaches --conf
    are drawn, each with its raw and its refined score.
    """
    chosen = RunOptions(**options)
    if chosen.recheck and chosen.model.startswith("replay:"):
        raise click.UsageError(
            "--recheck estimates parts of the images again, which replay cannot; "
            "a recording has the recheck that was taken"
        )
    if chosen.realtime and not all(map(is_live, split(chosen.source))):
        raise click.UsageError("--realtime is for cameras and streams; a file waits")
    announce(chosen.model)
    tally = RunSummary()
    try:
        scoring = execute(chosen, tally)
    except (RcnetError, KeyboardInterrupt):
        if tally.frames:
            click.echo(f"Stopped after {tally.frames} frames; written: {tally.written}.", err=True)
        raise
    summarise(tally, scoring)
