"""`rcnet-rt profile`: what a camera's scores mean, without a label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from rcnet_rt.cli.options import (
    announce,
    backend_option,
    batch_option,
    debug_option,
    device_option,
    model_option,
    parallel_options,
    weights_option,
    yolo_options,
)
from rcnet_rt.cli.progress import frame_bar
from rcnet_rt.cli.tables import wide_console
from rcnet_rt.monitoring.estimates import Curve, Figure
from rcnet_rt.monitoring.profile import LEVELS, CameraProfile
from rcnet_rt.workflows.profile import profile_camera

__all__ = ["profile"]

SHOWN = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # thresholds beside that of the profile
QUANTILES = (0.05, 0.5, 0.95)
LABELS = {
    "refined_score": "refined score",
    "pose_size": "size over image height",
    "joint_confidence": "joint confidence",
}


@click.command()
@click.argument("source")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="Write the profile to this file as JSON.",
)
@model_option("The estimator, as for `rcnet-rt run`.")
@weights_option("What refines, as for `rcnet-rt run`.")
@click.option(
    "--min-precision",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    show_default="the best F1",
    help="Choose the lowest threshold with this estimated precision.",
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
    help="Stop after this many frames; needed for a camera or stream.",
)
@click.option(
    "--sandbox", is_flag=True, help="Decode files in a process of its own, as streams always are."
)
@debug_option
def profile(source: str, model: str, out: Path, **options: Any) -> None:
    """Estimate precision, recall and a threshold for the camera of SOURCE, without labels.

    SOURCE is some minutes of a camera: a video, images, a camera index or a stream. `rcnet-rt run
    --profile FILE` then uses the threshold and the scores that were seen, and tells when the camera
    no longer looks as it did.
    """
    announce(model)
    with frame_bar() as bar:
        made = profile_camera(source, model=model, out=out, progress=bar, **options)
    click.echo(
        f"{made.frames:,} frames, {made.poses:,} poses with raw scores above the floor; "
        f"estimator {made.setup.estimator}, weights {made.setup.weights}"
    )
    for table in _tables(made):
        wide_console().print(table)
    for line in _lines(made):
        click.echo(line)
    click.echo(f"written: {out}")


def _tables(made: CameraProfile) -> Iterator[Table]:
    table = Table()
    table.add_column("")
    for level in QUANTILES:
        table.add_column(f"{100 * level:.0f} % are below", justify="right")
    for name, values in made.distributions.items():
        shown = (values[LEVELS.index(level)] for level in QUANTILES)
        table.add_row(LABELS[name], *("" if np.isnan(v) else f"{v:.2f}" for v in shown))
    yield table
    if made.curve is None:
        return
    table = Table()
    for name in ("threshold", "precision", "recall*", "F1", "kept per frame"):
        table.add_column(name, justify="right")
    for index in _rows(made.curve, made.threshold):
        chosen = made.curve.thresholds[index] == made.threshold
        table.add_row(*_cells(made.curve, index), style="bold" if chosen else "")
    yield table


def _rows(curve: Curve, threshold: float | None) -> list[int]:
    wanted = [*SHOWN, *([] if threshold is None else [threshold])]
    rows = {int(np.abs(curve.thresholds - value).argmin()) for value in wanted}
    return sorted(row for row in rows if curve.kept[row] > 0)


def _cells(curve: Curve, index: int) -> tuple[str, ...]:
    figures = (_interval(each, index) for each in (curve.precision, curve.recall, curve.f1))
    return (f"{curve.thresholds[index]:.3f}", *figures, f"{curve.kept[index]:.2f}")


def _interval(figure: Figure, index: int) -> str:
    return f"{figure.value[index]:.2f} ({figure.low[index]:.2f}-{figure.high[index]:.2f})"


def _lines(made: CameraProfile) -> Iterator[str]:
    if made.curve is not None:
        yield (
            "Estimated, with 95 % intervals. They cover other stretches of time, other labeled "
            "images, and a camera that deviates from them as blur or haze do; no more than that."
        )
        yield (
            f"*of about {made.curve.people:.1f} people per frame, where the estimator misses as "
            "many as on those images."
        )
    if made.threshold is not None:
        reason = (
            "the best estimated F1"
            if made.min_precision is None
            else f"the lowest with an estimated precision of {made.min_precision:g}"
        )
        yield f"threshold: {made.threshold:.3f}, {reason}"
    if made.note:
        yield f"note: {made.note}"
