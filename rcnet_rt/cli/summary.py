"""The summary of `run` and `demo` in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from rcnet_rt.temporal.hysteresis import half_odds
from rcnet_rt.video.telemetry import Telemetry
from rcnet_rt.workflows.scoring import Scoring
from rcnet_rt.workflows.summary import VideoSummary

__all__ = ["joined", "print_summary"]

# Frames of two calls: where there are no more, the median is of the first one, which takes longer.
STARTING = 16


def print_summary(summary: VideoSummary) -> None:
    """Print what was done."""
    assert summary.scoring is not None
    for line in _lines(summary, summary.scoring):
        click.echo(line)


def joined(paths: tuple[Path, ...]) -> str:
    """Return paths as a list in words."""
    return ", ".join(map(str, paths)) or "nothing"


def _lines(summary: VideoSummary, scoring: Scoring) -> Iterator[str]:
    telemetry = summary.telemetry
    rate = summary.frames / telemetry.seconds if telemetry.seconds else 0.0
    yield (
        f"{summary.frames} frames ({rate:.1f} fps), {summary.poses} poses, {summary.kept} kept "
        f"(score >= {scoring.threshold:.3g}), {summary.rank_changes} changed rank in their frame"
    )
    if summary.tracked:
        yield (
            f"tracks: {summary.tracked} poses followed; once kept, people stay kept while their "
            f"score is >= {half_odds(scoring.threshold):.3g}"
        )
    yield _times(telemetry)
    if (threads := telemetry.threads) is not None and threads.workers > 1:
        yield (
            f"threads: {threads.workers} frames at a time, each estimated by {threads.estimator}; "
            f"{threads.decoder} decode, {threads.encoder} encode"
        )
    if telemetry.dropped or telemetry.gaps:
        yield _losses(telemetry)
    if telemetry.alarms:
        alarms = ", ".join(f"{what} ({count})" for what, count in telemetry.alarms.items())
        yield f"drift alarms: {alarms}"
    if (cost := summary.recheck) is not None and cost.crops:
        yield (
            f"recheck: {cost.crops / summary.frames:.1f} crops a frame, "
            f"{1000 * cost.seconds / summary.frames:.0f} ms a frame; "
            f"it moved {cost.changed} of {cost.crops} scores by more than 0.1"
        )
    baseline = ": no trained weights, a hand-made baseline" if scoring.is_baseline else ""
    yield f"weights: {scoring.name}{baseline} ({scoring.backend})"
    if summary.outputs:
        yield f"written: {joined(summary.written)}"
    for note in summary.notes:
        yield f"note: {note}"


def _times(telemetry: Telemetry) -> str:
    refining, age = telemetry.stages["refine"], telemetry.age
    median = "median" if refining.count > STARTING else "median; the first call takes most of it"
    return (
        f"refining: {1000 * refining.percentile(0.5):.2f} ms a frame ({median}), "
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
