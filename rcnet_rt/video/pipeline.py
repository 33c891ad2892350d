"""The pipeline of a frame: decode, estimate, refine, draw, write; each in threads of its own.

stages = [estimate([estimator]), refine(refiner, threshold), draw(drawing), write(sinks)]
with closing(process(source, stages, telemetry)) as results:
    for result in results:
        ...

A further stage is one more entry of the list: a name and a function from `Result` to `Result`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, SupportsFloat

import numpy as np
import numpy.typing as npt

from rcnet_rt.estimators import BatchEstimator, Estimator, FrameEstimator
from rcnet_rt.monitoring.drift import Change
from rcnet_rt.monitoring.drift_monitor import DriftMonitor
from rcnet_rt.poses.frame import Frame, Gap, Image, Source
from rcnet_rt.poses.poses import Poses
from rcnet_rt.temporal.hysteresis import Hysteresis
from rcnet_rt.temporal.smoothing import ScoreSmoothing
from rcnet_rt.temporal.tracking import Tracker
from rcnet_rt.video.stages import DEPTH, Newest, Step, run
from rcnet_rt.video.telemetry import Telemetry

__all__ = [
    "Result",
    "Sink",
    "Stage",
    "draw",
    "estimate",
    "monitor",
    "process",
    "refine",
    "refine_batches",
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
        threshold: that the refined scores were compared with; None before.
        drift: what is not as in the reference; nothing without a drift alarm.
        drawn: (H, W', 3) uint8, blue first, the drawn image; None if nothing is drawn.
    """

    frame: Frame
    poses: Poses
    kept: npt.NDArray[np.bool_]
    threshold: float | None = None
    drift: tuple[Change, ...] = ()
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


Work = Callable[[list[Any]], Iterable[Any]]  # a result for each frame or result


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline.

    Attributes:
        name: what telemetry calls it.
        workers: what becomes of frames: `Frame` to `Result` for the first stage, then `Result` to
            `Result`, one for one. Each has a thread of its own, and frames go to whichever is free;
            a stage that remembers frames has one.
        batch: how many frames a worker takes at once.
        on_gap: is told of gaps, which pass all stages in their place among the frames.
    """

    name: str
    workers: Sequence[Work]
    batch: int = 1
    on_gap: Callable[[Gap], None] = lambda gap: None

    @classmethod
    def of(
        cls,
        name: str,
        function: Callable[[Any], Result],
        on_gap: Callable[[Gap], None] = lambda gap: None,
    ) -> Stage:
        """Return the stage of one worker that takes frame by frame."""
        return cls(name, [partial(map, function)], on_gap=on_gap)


def estimate(workers: Sequence[Estimator], batch: int = 1) -> Stage:
    """Return the stage that finds the poses of frames, with the estimator's own scores.

    Args:
        workers: loaded alike; each works on frames of its own at the same time.
        batch: estimators that take several images get so many frames of one size at once.
    """
    return Stage("estimate", [partial(_estimated, worker) for worker in workers], batch)


def _estimated(estimator: Estimator, frames: list[Frame]) -> Iterator[Result]:
    for _, group in itertools.groupby(frames, key=lambda frame: frame.size):
        alike = list(group)
        for frame, poses in zip(alike, _poses(estimator, alike), strict=True):
            yield Result(frame, poses, np.ones(len(poses), np.bool_))


def _poses(estimator: Estimator, frames: list[Frame]) -> Iterable[Poses]:
    if isinstance(estimator, FrameEstimator):
        return map(estimator.estimate_frame, frames)
    images = [frame.image_bgr for frame in frames]
    if isinstance(estimator, BatchEstimator) and len(images) > 1:
        return estimator.estimate_batch(images)
    return map(estimator.estimate, images)


def recheck(look: Callable[[Image, Poses], Poses]) -> Stage:
    """Return the stage that rechecks the least certain poses; see `estimators.recheck`."""

    def function(result: Result) -> Result:
        return replace(result, poses=look(result.frame.image_bgr, result.poses))

    return Stage.of("recheck", function)


def refine(refiner: Callable[[Poses], Poses], threshold: SupportsFloat) -> Stage:
    """Return the stage that scores the poses anew and keeps those from the threshold on.

    Args:
        refiner: gives the refined scores.
        threshold: a number, or a `Threshold`, which is read once for each frame.
    """
    return refine_batches(partial(map, refiner), threshold, 1)


def refine_batches(
    refiner: Callable[[Sequence[Poses]], Iterable[Poses]], threshold: SupportsFloat, batch: int
) -> Stage:
    """Return the stage of `refine` that takes several frames at once, which costs less for each.

    Args:
        refiner: gives the refined scores of the poses of several frames.
        threshold: as for `refine`.
        batch: how many frames; the first of them waits for the last.
    """

    def work(results: list[Result]) -> Iterator[Result]:
        refined = refiner([result.poses for result in results])
        for result, poses in zip(results, refined, strict=True):
            level = float(threshold)
            # Compared as it is written out, so that a file's scores and `kept` agree.
            kept = poses.scores.astype(np.float64) >= level
            yield replace(result, poses=poses, kept=kept, threshold=level)

    return Stage("refine", [work], batch)


def monitor(watch: DriftMonitor) -> Stage:
    """Return the stage that says what is changed; it comes after `refine`, before what smooths."""

    def function(result: Result) -> Result:
        return replace(result, drift=watch(result.frame.image_bgr, result.poses))

    return Stage.of("monitor", function, lambda gap: watch.gap())


def track(follow: Tracker, score: ScoreSmoothing, keep: Hysteresis) -> Stage:
    """Return the stage that tracks people, smooths their scores and decides who is kept.

    For frames that have a time, of one source; poses that come with track ids keep them. Where the
    threshold of the results moves, that of the tracks moves along.
    """

    def function(result: Result) -> Result:
        time, poses = result.frame.time_seconds, result.poses
        assert time is not None
        if result.threshold is not None and result.threshold != keep.enter:
            keep.move(result.threshold)
        poses = score(follow(poses, time) if poses.track_ids is None else poses, time)
        return replace(result, poses=poses, kept=keep(poses, time))

    return Stage.of("track", function)


def select(rules: Sequence[Callable[[Poses], npt.NDArray[np.bool_]]]) -> Stage:
    """Return the stage that keeps, of the poses that are kept, those that every rule keeps."""

    def function(result: Result) -> Result:
        kept = np.logical_and.reduce([result.kept, *(rule(result.poses) for rule in rules)])
        return replace(result, kept=kept)

    return Stage.of("select", function)


def draw(drawing: Callable[[Result], Image]) -> Stage:
    """Return the stage that draws."""
    return Stage.of("draw", lambda result: replace(result, drawn=drawing(result)))


def write(sinks: Sequence[Sink]) -> Stage:
    """Return the stage that hands every result, and every gap, to all sinks."""

    def function(result: Result) -> Result:
        for sink in sinks:
            sink.write(result)
        return result

    def on_gap(gap: Gap) -> None:
        for sink in sinks:
            sink.gap(gap)

    return Stage.of("write", function, on_gap)


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

    However long the video is, two frames wait before each stage of one worker and one is worked
    on; a stage of several workers, or of batches, has room for as many more as it works on.

    Args:
        source: opened.
        stages: the first takes frames; in real time it should have one worker, without batches.
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
    steps = [_step(stage, telemetry) for stage in stages]
    depth = 1 if realtime else DEPTH
    dropped_before = telemetry.dropped
    ran = run(items, steps, first=newest, depth=depth, check=check, stop=source.stop)
    try:
        with closing(ran) as results:
            for item in results:
                if isinstance(item, Result):
                    telemetry.outgoing(item.frame)
                if newest is not None:
                    telemetry.dropped = dropped_before + newest.dropped
                yield item
    finally:
        if newest is not None:
            telemetry.dropped = dropped_before + newest.dropped


def _step(stage: Stage, telemetry: Telemetry) -> Step:
    """Return the stage as threads run it: measured, with a way around it for gaps."""
    workers = [partial(_worked, stage, telemetry.timed(stage.name, w)) for w in stage.workers]
    return Step(stage.name, workers, stage.batch)


def _worked(stage: Stage, work: Work, items: list[Any]) -> Iterator[Any]:
    for is_gap, group in itertools.groupby(items, key=lambda item: isinstance(item, Gap)):
        some = list(group)
        if not is_gap:
            yield from _one_by_one_if_it_fails(work, some)
            continue
        for gap in some:
            stage.on_gap(gap)
            yield gap


def _one_by_one_if_it_fails(work: Work, batch: list[Any]) -> Iterable[Any]:
    """Return the results of a batch, so that those before the one that fails are not lost."""
    try:
        return work(batch)
    except Exception:
        if len(batch) == 1:
            raise
    return itertools.chain.from_iterable(work([item]) for item in batch)


def _first_frames(source: Source, count: int | None) -> Iterator[Frame | Gap]:
    """Yield the first `count` frames, or all, and the gaps between them."""
    left = math.inf if count is None else count
    items = iter(source)
    while left > 0 and (item := next(items, None)) is not None:
        left -= isinstance(item, Frame)
        yield item


def _is_frame(item: object) -> bool:
    return isinstance(item, Frame)
