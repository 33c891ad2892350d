"""`rcnet-rt demo`: a clip, and the poses that refining keeps and drops; no network, no camera."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from rcnet_rt.cli.options import debug_option
from rcnet_rt.cli.progress import frame_bar
from rcnet_rt.demo_data import LABELED_POSES, POSES
from rcnet_rt.errors import EstimatorError, OutputError
from rcnet_rt.estimators import ALIASES, ultralytics
from rcnet_rt.workflows.demo.clip import write_clip
from rcnet_rt.workflows.demo.equal_count import closing_sentence, write_image
from rcnet_rt.workflows.demo.labeled_poses import (
    WARM_UP,
    read_labeled_poses,
    refine_labeled_poses,
)
from rcnet_rt.workflows.scoring import load_scoring
from rcnet_rt.workflows.video import process_video

__all__ = ["demo"]

DOWNLOAD_SECONDS = 30


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="rcnet-demo",
    show_default=True,
    help="Folder for the clip, the drawn video, the poses and the image.",
)
@debug_option
def demo(out: Path) -> None:
    """See it work: a clip with refined poses, and which poses refining keeps and drops."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {out} cannot be created: {error.strerror}") from error
    drawn, image = out / "clip_rcnet.mp4", out / "kept_poses.png"
    _process_clip(out / "clip.mp4", drawn, out / "poses.jsonl")
    click.echo()
    click.echo(_compare(image))
    click.echo(f"\nLook at {image}: every pose that only one of the scores keeps.")
    click.echo(f"And at {drawn}: the kept poses, each with its raw -> refined score.")


def _process_clip(clip: Path, drawn: Path, recording: Path) -> None:
    """Write the clip, run the estimator and the refiner on it, and print what was done."""
    write_clip(clip)
    with frame_bar() as bar:
        summary = process_video(
            clip, model=_model(), out=drawn, json=recording, progress=bar
        ).finish()
    assert summary.scoring is not None
    click.echo(
        f"{clip.name}: {summary.frames} frames, {summary.poses} poses, {summary.kept} kept "
        f"(refined score >= {summary.scoring.threshold:.3g})"
    )


def _model() -> str:
    """Return YOLO-Pose where it is here or can be had quickly, else our recording of it."""
    name = ALIASES["yolo-pose"]
    try:
        if ultralytics.fetch(name, seconds=DOWNLOAD_SECONDS):
            return name
    except EstimatorError as error:
        click.echo(error)
    click.echo(
        f"{name} is not here and cannot be downloaded now: the poses that YOLO-Pose gave for this "
        "clip, recorded in the package, are replayed."
    )
    return f"replay:{POSES}"


def _compare(image: Path) -> str:
    """Refine the recorded poses whose OKS is known, draw what changes, and say it in numbers."""
    data = read_labeled_poses(LABELED_POSES)
    scoring = load_scoring("auto", "auto", family=data.family, device="auto", backend="auto")
    refined = refine_labeled_poses(data, scoring.refine, scoring.threshold)
    write_image(image, data, refined)
    milliseconds = 1000 * float(np.median(refined.seconds))
    return (
        f"refining: {milliseconds:.2f} ms an image (median, without the first {WARM_UP}), "
        f"weights {scoring.name} ({scoring.backend})\n\n{closing_sentence(refined)}"
    )
