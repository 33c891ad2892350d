"""The pipeline of a frame: decode, estimate, refine, draw, write; each stage in its own thread.

stages = [estimate(estimator), refine(refiner, threshold), draw(drawing), write(sinks)]
with closing(process(source, stages)) as results:
    for result in results:
        ...

A further stage is one more entry of the list: a name and a function from `Result` to `Result`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rcnet_rt.estimators import Estimator, FrameEstimator
from rcnet_rt.poses.frame import Frame, Gap, Image, Source
from rcnet_rt.poses.poses import Poses
from rcnet_rt.temporal.hysteresis import Hysteresis
from rcnet_rt.temporal.smoothing import ScoreSmoothing
from rcnet_rt.temporal.tracking import Tracker
from rcnet_rt.video.stages import DEPTH, Newest, run
from rcnet_rt.video.telemetry import Telemetry

__all__ = [
    "Result",
    "Sink",
    "Stage",
    "draw",
    "estimate",
    "process",
    "refine",
    "select",
    "recheck",
    "track",
    "write",
]


@dataclass(frozen=True, eq=False)
class Result:
    """What is known about one frame.

    Attributes:
        frame: the image and its time.
        poses: N poses; once refined, kept or not, the estimator's scores are their `raw_scores`.
        kept: (N,) whether each refined score is at least the threshold, or as the tracks decide;
            before that all are.
        drawn: (H, W', 3) uint8, blue first, the drawn image; None if nothing is drawn.
    """

    frame: Frame
    poses: Poses
    kept: npt.NDArray[np.bool_]
    drawn: Image | None = None


class Sink(Protocol):
    """Takes results in order."""

    def write(self, result: Result) -> None:
        """Take one frame's result.

        Raises:
            OutputError: it cannot be written.
        """
        ...

    def gap(self, gap: Gap) -> None:
        """Take note that frames are missing here."""
        ...


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline.

    Attributes:
        name: what telemetry calls it.
        function: what becomes of a frame: `Frame` to `Result` for the first, then `Result` to
            `Result`.
        on_gap: is told of gaps, which pass all stages in their place among the frames.
    """

    name: str
    function: Callable[[Any], Result]
    on_gap: Callable[[Gap], None] = lambda gap: None


def estimate(estimator: Estimator) -> Stage:
    """Return the stage that finds the poses of a frame, with the estimator's own scores."""

    def function(frame: Frame) -> Result:
        if isinstance(estimator, FrameEstimator):
            poses = estimator.estimate_frame(frame)
        else:
            poses = estimator.estimate(frame.image_bgr)
        return Result(frame, poses, np.ones(len(poses), np.bool_))

    return Stage("estimate", function)


def recheck(look: Callable[[Image, Poses], Poses]) -> Stage:
    """Return the stage that rechecks the least certain poses; see `estimators.recheck`."""

    def function(result: Result) -> Result:
        return replace(result, poses=look(result.frame.image_bgr, result.poses))

    return Stage("recheck", function)


def refine(refiner: Callable[[Poses], Poses], threshold: float) -> Stage:
    """Return the stage that scores the poses anew and keeps those from the threshold on."""

    def function(result: Result) -> Result:
        poses = refiner(result.poses)
        # Compared as it is written out, so that a file's scores and `kept` agree.
        return replace(result, poses=poses, kept=poses.scores.astype(np.float64) >= threshold)

    return Stage("refine", function)


def track(follow: Tracker, score: ScoreSmoothing, keep: Hysteresis) -> Stage:
    """Return the stage that tracks people, smooths their scores and decides who is kept.

    For frames that have a time, of one source; poses that come with track ids keep them.
    """

    def function(result: Result) -> Result:
        time, poses = result.frame.time_seconds, result.poses
        assert time is not None
        poses = score(follow(poses, time) if poses.track_ids is None else poses, time)
        return replace(result, poses=poses, kept=keep(poses, time))

    return Stage("track", function)


def select(rules: Sequence[Callable[[Poses], npt.NDArray[np.bool_]]]) -> Stage:
    """Return the stage that keeps, of the poses that are kept, those that every rule keeps."""

    def function(result: Result) -> Result:
        kept = np.logical_and.reduce([result.kept, *(rule(result.poses) for rule in rules)])
        return replace(result, kept=kept)

    return Stage("select", function)


def draw(drawing: Callable[[Result], Image]) -> Stage:
    """Return the stage that draws."""
    return Stage("draw", lambda result: replace(result, drawn=drawing(result)))


def write(sinks: Sequence[Sink]) -> Stage:
    """Return the stage that hands every result, and every gap, to all sinks."""

    def function(result: Result) -> Result:
        for sink in sinks:
            sink.write(result)
        return result

    def on_gap(gap: Gap) -> None:
        for sink in sinks:
            sink.gap(gap)

    return Stage("write", function, on_gap)


def process(
    source: Source,
    stages: Sequence[Stage],
    telemetry: Telemetry,
    *,
    realtime: bool = False,
    max_frames: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> Generator[Result | Gap, None, None]:
    """Yield what comes out of the last stage, in order; close the iterator to stop early.

    At most three frames wait or are worked on per stage, however long the video is.

    Args:
        source: opened.
        stages: the first takes frames.
        telemetry: what measures.
        realtime: the first stage takes the newest frame; older ones are dropped.
        max_frames: stop after so many.
        check: called in this thread between results and while none comes; may raise to stop.

    Raises:
        RcnetError: whatever the source or a stage raises.
    """
    newest = Newest(_is_frame, max_frames) if realtime else None
    # Where nothing is dropped, the frame after the last is not even decoded.
    items = telemetry.incoming(source if realtime else _first_frames(source, max_frames))
    steps = [(stage.name, _guarded(stage, telemetry)) for stage in stages]
    depth = 1 if realtime else DEPTH
    ran = run(items, steps, first=newest, depth=depth, check=check, stop=source.stop)
    try:
        with closing(ran) as results:
            for item in results:
                if isinstance(item, Result):
                    telemetry.outgoing(item.frame)
                yield item
    finally:
        telemetry.dropped += newest.dropped if newest else 0


def _guarded(stage: Stage, telemetry: Telemetry) -> Callable[[Any], Any]:
    """Return the stage's function, measured, with a way around it for gaps."""
    function = telemetry.timed(stage.name, stage.function)

    def guarded(item: Any) -> Any:
        if isinstance(item, Gap):
            stage.on_gap(item)
            return item
        return function(item)

    return guarded


def _first_frames(source: Source, count: int | None) -> Iterator[Frame | Gap]:
    """Yield the first `count` frames, or all, and the gaps between them."""
    left = math.inf if count is None else count
    items = iter(source)
    while left > 0 and (item := next(items, None)) is not None:
        left -= isinstance(item, Frame)
        yield item


def _is_frame(item: object) -> bool:
    return isinstance(item, Frame)
