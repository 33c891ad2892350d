"""`rcnet-rt run`: a video, images or a camera in; refined, filtered, drawn poses out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rcnet_rt.cli.options import (
    NOT_WRITTEN,
    announce,
    backend_option,
    batch_option,
    debug_option,
    device_option,
    json_option,
    model_option,
    parallel_options,
    profile_options,
    recheck_option,
    weights_option,
    yolo_options,
)
from rcnet_rt.cli.progress import frame_bar
from rcnet_rt.cli.summary import joined, print_summary
from rcnet_rt.errors import RcnetError
from rcnet_rt.monitoring.drift_monitor import MIN_LEARNING_FRAMES
from rcnet_rt.serving.access import parse_address
from rcnet_rt.video.source import is_live, split
from rcnet_rt.workflows.video import process_video

__all__ = ["run"]


def _checked_address(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Return the address of --serve; what is none is wrong usage."""
    if value is not None:
        try:
            parse_address(value)
        except RcnetError as error:
            raise click.BadParameter(str(error)) from error
    return value


@click.command()
@click.argument("source")
@model_option(
    "The estimator: a YOLO-Pose name, a .pt, .onnx or .engine file, an OpenVINO folder; "
    "rtmpose, rtmo, vitpose, keypointrcnn, mmpose (rtmo:lightweight, mmpose:human, …); movenet, "
    "posenet (movenet:FILE.tflite,DETECTOR), a .tflite file; your own by module:name; or "
    "replay:FILE of any tool. A .pt file is a program: load only those you trust."
)
@weights_option(
    "What refines: auto, a shipped name, a .safetensors file, formula:NAME, or none, which leaves "
    "scores as they are."
)
@profile_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    show_default="<stem>_rcnet.mp4 here",
    help="Drawn video or image, or a folder for many.",
)
@click.option("--no-video", is_flag=True, help="Draw nothing.")
@json_option("Write all poses, kept or not, to this file as JSON Lines.")
@recheck_option
@click.option(
    "--flip-test",
    is_flag=True,
    help="Estimate the mirror image too: better scores for a second inference an image, with "
    "weights that use it (yolo-pose).",
)
@click.option(
    "--track",
    is_flag=True,
    help="Track people: scores are smoothed over frames, and who is kept stays until the score is "
    "clearly below --conf, so that fewer poses flicker. For videos and cameras; adds no delay.",
)
@click.option(
    "--nms-oks",
    type=click.FloatRange(0, 1, min_open=True),
    show_default="off",
    help="Of two poses with at least this OKS keep the one with the higher refined score.",
)
@click.option(
    "--joints",
    metavar="NAMES",
    default="",
    show_default="any",
    help="Keep only poses that have these joints: hips,shoulders or left_wrist,nose, …",
)
@click.option(
    "--min-joint-confidence",
    type=click.FloatRange(0, 1),
    default=0.3,
    show_default=True,
    help="Confidence of each of --joints: calibrated where the weights have a joint head, else the "
    "estimator's.",
)
@click.option("--compare", is_flag=True, help="Raw score left, refined right, twice as wide.")
@click.option(
    "--ellipses",
    is_flag=True,
    help="Draw the ellipse in which each joint is with a probability of 90 %; needs weights with a "
    "joint head.",
)
@yolo_options
@device_option()
@backend_option
@parallel_options
@batch_option
@click.option(
    "--max-frames",
    type=click.IntRange(min=1),
    show_default="all",
    help="Stop after this many frames.",
)
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
    "--serve",
    metavar="[HOST:]PORT",
    callback=_checked_address,
    show_default="off",
    help="Show the run in a browser: raw beside refined, scores, latency, a threshold to move; "
    "Prometheus metrics. On this machine only, unless a HOST such as 0.0.0.0 is given, which needs "
    "a token; the address that is printed has it.",
)
@click.option(
    "--serve-token",
    envvar="RCNET_RT_SERVE_TOKEN",
    metavar="TOKEN",
    show_default="a new one",
    help="Token of --serve, at least 16 characters; rather set RCNET_RT_SERVE_TOKEN, for other "
    "users see the arguments of a process.",
)
@click.option(
    "--drift-alarm",
    is_flag=True,
    help="Say what has changed about the camera: a darker, blurred, turned, occluded or frozen "
    "image, other scores, other people; on stderr, on the image, in --json, --telemetry and "
    "--serve.",
)
@click.option(
    "--drift-reference",
    type=click.IntRange(min=MIN_LEARNING_FRAMES),
    metavar="FRAMES",
    default=600,
    show_default=True,
    help="--drift-alarm: how many of the first frames are what is usual, without --profile.",
)
@click.option(
    "--telemetry",
    type=click.Path(path_type=Path),
    metavar="FILE",
    show_default=NOT_WRITTEN,
    help="Write times and counts to this file as JSON.",
)
@debug_option
def run(source: str, model: str, conf: str | float, no_video: bool, **options: Any) -> None:
    """Refine the poses of SOURCE: a video, image, folder, glob, camera index or stream.

    Streams are rtsp://, http:// and https:// addresses; their credentials are shown nowhere.

    Every pose keeps its keypoints and gets a new score. Poses whose refined score reaches --conf
    are drawn, each with its raw and its refined score.
    """
    if (options["recheck"] or options["flip_test"]) and model.startswith("replay:"):
        raise click.UsageError(
            "--recheck and --flip-test estimate images again, which replay cannot; a recording has "
            "the agreement that was found"
        )
    if options["realtime"] and not all(map(is_live, split(source))):
        raise click.UsageError("--realtime is for cameras and streams; a file waits")
    options["joints"] = [name.strip() for name in options["joints"].split(",") if name.strip()]
    announce(model)
    out = options.pop("out")
    options["out"] = None if no_video else out or "auto"
    with frame_bar() as bar:
        video = process_video(source, model=model, threshold=conf, progress=bar, **options)
        try:
            video.finish()
        except (RcnetError, KeyboardInterrupt):
            if (done := video.summary).frames:
                click.echo(
                    f"Stopped after {done.frames} frames; written: {joined(done.written)}.",
                    err=True,
                )
            raise
    print_summary(video.summary)
