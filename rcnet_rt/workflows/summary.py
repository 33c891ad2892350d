"""What a run did, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from rcnet_rt.poses.frame import Gap
from rcnet_rt.temporal.hysteresis import half_odds
from rcnet_rt.temporal.tracking import followed
from rcnet_rt.video.pipeline import Result
from rcnet_rt.video.telemetry import Telemetry
from rcnet_rt.workflows.scoring import Scoring

__all__ = ["RunSummary", "summarise"]


@dataclass
class RunSummary:
    """Counts for the summary; as the last sink it counts what the others have written.

    `looks` are close-ups of a recheck, which took `looking` seconds and moved `recheck_changed`
    refined scores by more than 0.1; `followed` are poses that belong to a track.
    """

    frames: int = 0
    poses: int = 0
    kept: int = 0
    moved: int = 0
    looks: int = 0
    looking: float = 0.0
    recheck_changed: int = 0
    followed: int = 0
    outputs: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    telemetry: Telemetry = field(default_factory=Telemetry)

    def write(self, result: Result) -> None:
        """Count one frame."""
        self.frames += 1
        self.poses += len(result.poses)
        self.kept += int(result.kept.sum())
        self.followed += len(followed(result.poses))
        raw = result.poses.raw_scores
        if raw is not None:
            self.moved += int((_ranks(raw) != _ranks(result.poses.scores)).sum())

    def gap(self, gap: Gap) -> None:
        """Telemetry counts gaps."""

    @property
    def written(self) -> str:
        """The outputs that are there, as a list in words."""
        return ", ".join(str(path) for path in self.outputs if path.exists()) or "nothing"


def summarise(tally: RunSummary, scoring: Scoring) -> None:
    """Print what was done."""
    seconds = tally.telemetry.seconds
    rate = tally.frames / seconds if seconds else 0.0
    click.echo(
        f"{tally.frames} frames ({rate:.1f} fps), {tally.poses} poses, {tally.kept} kept "
        f"(score >= {scoring.threshold:.3g}), {tally.moved} changed rank in their frame"
    )
    if tally.followed:
        click.echo(
            f"tracks: {tally.followed} poses followed; once kept, people stay kept while their "
            f"score is >= {half_odds(scoring.threshold):.3g}"
        )
    click.echo(_times(tally.telemetry))
    if tally.telemetry.dropped or tally.telemetry.gaps:
        click.echo(_losses(tally.telemetry))
    if tally.looks:
        click.echo(
            f"recheck: {tally.looks / tally.frames:.1f} close-ups a frame, "
            f"{1000 * tally.looking / tally.frames:.0f} ms a frame; "
            f"it moved {tally.recheck_changed} of {tally.looks} scores by more than 0.1"
        )
    baseline = ": no trained weights, a hand-made baseline" if scoring.is_baseline else ""
    click.echo(f"weights: {scoring.name}{baseline} ({scoring.backend})")
    if tally.outputs:
        click.echo(f"written: {tally.written}")
    for note in tally.notes:
        click.echo(f"note: {note}")


def _ranks(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    return np.argsort(np.argsort(-scores, kind="stable"), kind="stable")


def _times(telemetry: Telemetry) -> str:
    refining, age = telemetry.stages["refine"], telemetry.age
    return (
        f"refining: {1000 * refining.percentile(0.5):.2f} ms a frame (median), "
        f"{100 * telemetry.share('refine'):.1f} % of the time; "
        f"from image to result: {1000 * age.percentile(0.5):.0f} ms"
    )


def _losses(telemetry: Telemetry) -> str:
    parts = []
    if telemetry.dropped:
        parts.append(
            f"live: {telemetry.dropped} of {telemetry.frames_in} frames gave way to newer ones"
        )
    if telemetry.gaps:
        parts.append(f"gaps: {telemetry.gaps}, after {telemetry.reconnects} of which it went on")
    return "; ".join(parts)
