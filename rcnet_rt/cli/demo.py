"""`rcnet-rt demo`: everything on a clip that is made first; no network, no camera."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from rcnet_rt.cli.options import debug_option
from rcnet_rt.cli.progress import frame_bar
from rcnet_rt.cli.summary import print_summary
from rcnet_rt.datasets import jsonl
from rcnet_rt.demo_data import POSES
from rcnet_rt.errors import EstimatorError, OutputError
from rcnet_rt.estimators import ALIASES, ultralytics
from rcnet_rt.workflows.demo_clip import write_clip
from rcnet_rt.workflows.video import process_video

__all__ = ["demo"]

DOWNLOAD_SECONDS = 30


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="rcnet-demo",
    show_default=True,
    help="Folder for the clip, the drawn video and the poses.",
)
@debug_option
def demo(out: Path) -> None:
    """See it work: a short clip, its poses, their refined scores, side by side."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {out} cannot be created: {error.strerror}") from error
    clip, recording = out / "clip.mp4", out / "poses.jsonl"
    write_clip(clip)
    drawn = out / "clip_rcnet.mp4"
    with frame_bar() as bar:
        summary = process_video(
            clip, model=_model(), out=drawn, json=recording, compare=True, progress=bar
        ).finish()
    print_summary(summary)
    _show(recording)
    click.echo(f"\nLook at {drawn}: raw scores left, refined scores right.")


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


def _show(recording: Path) -> None:
    """Print raw and refined scores of the frame in which the order changes most."""
    frame = max(jsonl.read_lines(recording), key=_disorder)
    table = Table(title=f"frame {frame['frame']}, by refined score")
    for column in ("person at x, y", "raw", "refined", "kept"):
        table.add_column(column, justify="right")
    for pose in sorted(frame["poses"], key=lambda pose: -pose["score"]):
        x1, y1, x2, y2 = pose["box"]
        table.add_row(
            f"{(x1 + x2) / 2:.0f}, {(y1 + y2) / 2:.0f}",
            f"{pose['score_raw']:.2f}",
            f"{pose['score']:.2f}",
            "yes" if pose["kept"] else "no",
        )
    Console().print(table)


def _disorder(frame: dict[str, object]) -> int:
    """Return how many pairs of poses change their order by refinement."""
    poses: list[dict[str, float]] = frame["poses"]  # type: ignore[assignment]
    raw = np.array([pose["score_raw"] for pose in poses])
    new = np.array([pose["score"] for pose in poses])
    return int(((raw[:, None] > raw) & (new[:, None] < new)).sum())
