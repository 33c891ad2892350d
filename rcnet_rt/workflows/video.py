"""A video, images or a camera in; refined poses out, frame by frame, and files where asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, suppress
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import Literal

from rcnet_rt.errors import SourceError
from rcnet_rt.estimators.recheck import Recheck
from rcnet_rt.monitoring.drift import Change
from rcnet_rt.monitoring.profile import CameraProfile
from rcnet_rt.poses.frame import Gap, Source
from rcnet_rt.video import pipeline
from rcnet_rt.video.pipeline import Result, Sink, Stage
from rcnet_rt.video.source import (
    Part,
    is_live,
    is_video,
    open_live,
    open_sandboxed,
    open_source,
    split,
)
from rcnet_rt.video.telemetry import Telemetry
from rcnet_rt.video.thread_budget import ThreadBudget, opencv_threads
from rcnet_rt.video.window import WindowClosed, check_display
from rcnet_rt.workflows.drift import DriftSink, drift_messages, open_monitor
from rcnet_rt.workflows.interrupt import between_frames
from rcnet_rt.workflows.live_view import open_server, open_view
from rcnet_rt.workflows.opening import checks, open_window
from rcnet_rt.workflows.outputs import (
    JsonLinesSink,
    ThresholdSink,
    open_json_lines,
    open_output,
    plan,
)
from rcnet_rt.workflows.progress import OnProgress, Progress, ignore
from rcnet_rt.workflows.summary import RecheckCost, Tally, VideoSummary
from rcnet_rt.workflows.video_stages import VideoOptions, load_models, stages
from rcnet_rt.workflows.workers import Parallelism

__all__ = ["VideoRun", "process_video"]

FilePath = str | PathLike[str]


class VideoRun:
    """An iterator over the results of a source, in order, as they come.

    Nothing is opened before the first result is asked for. Leaving a `with` block, or `close`, ends
    the run early; outputs then hold what was done.
    """

    def __init__(self, options: VideoOptions, progress: OnProgress) -> None:
        self._tally = Tally()
        self._results = _run(options, self._tally, progress)

    def __iter__(self) -> VideoRun:
        return self

    def __next__(self) -> Result:
        return next(self._results)

    def __enter__(self) -> VideoRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the run and close what is open; closing twice does nothing."""
        self._results.close()

    def finish(self) -> VideoSummary:
        """Process all that is left, and return the summary.

        Raises:
            RcnetError: whatever failed. Outputs hold what was done until then.
        """
        for _ in self._results:
            pass
        return self.summary

    @property
    def summary(self) -> VideoSummary:
        """What was done so far."""
        return self._tally.summary()


def process_video(
    source: FilePath | int,
    *,
    model: str = "yolo-pose",
    weights: str = "auto",
    threshold: str | float = "auto",
    out: FilePath | Literal["auto"] | None = None,
    json: FilePath | None = None,
    telemetry: FilePath | None = None,
    compare: bool = False,
    ellipses: bool = False,
    recheck: int = 0,
    flip_test: bool = False,
    track: bool = False,
    nms_oks: float | None = None,
    joints: Sequence[str] = (),
    min_joint_confidence: float = 0.3,
    max_frames: int | None = None,
    realtime: bool = False,
    sandbox: bool = False,
    show: bool = False,
    serve: str | int | None = None,
    serve_token: str | None = None,
    drift_alarm: bool = False,
    drift_reference: int = 600,
    profile: CameraProfile | FilePath | None = None,
    imgsz: int | tuple[int, int] | None = None,
    half: bool = False,
    device: str = "auto",
    backend: str = "auto",
    workers: int | None = None,
    batch: int = 1,
    threads: int | None = None,
    progress: OnProgress = ignore,
) -> VideoRun:
    """Return an iterator over the refined poses of a video, images or a camera.

    Each item is a `video.pipeline.Result`: the frame, all its poses with raw and refined scores,
    and which of them are kept. On the main thread Ctrl-C ends the run between two frames.

    ```python
    for result in process_video("clip.mp4", model="yolo-pose"):
        print(result.frame.index, result.poses[result.kept].scores)
    ```

    Args:
        source: a video, an image, a folder, a glob, a number of a camera or a stream's address.
        model: the estimator, as for `estimators.load`.
        weights: "auto" (those made for the estimator), a name, a path, "formula:NAME", or "none".
        threshold: keep poses from this refined score on: "auto", "p95", "guaranteed", "profile" or
            a number; with a profile "auto" is its threshold, where it has one.
        out: file or folder for drawn images; "auto" is <stem>_rcnet.mp4 here, None draws nothing.
        json: file for all poses, kept or not, as JSON Lines.
        telemetry: file for times and counts as JSON.
        compare: draw raw scores on the left and refined scores on the right.
        ellipses: draw the ellipse in which each joint is with a probability of 90 %; from weights
            with a joint head.
        recheck: re-run the estimator on crops of so many poses of each image.
        flip_test: estimate the mirror image too, for better scores: a second inference an image.
        track: track people; scores are smoothed and who is kept does not flicker.
        nms_oks: of two poses with at least this OKS keep the one with the higher refined score;
            None keeps both.
        joints: keep only poses that have these joints, such as ("hips", "left_wrist").
        min_joint_confidence: of each of these joints: calibrated where the weights have a joint
            head, else the estimator's.
        max_frames: stop after so many frames.
        realtime: of a camera or stream always take the newest frame.
        sandbox: decode files in a process of its own.
        show: open a window.
        serve: show the run in a browser: a port, or "HOST:PORT"; the address is a progress message.
        serve_token: of at least 16 characters, asked for beyond this machine and to move the
            threshold; None makes one, which is in the address.
        drift_alarm: say what has changed about each source (`monitoring.drift`): in the results,
            as events in the JSON Lines, on drawn images, as progress messages.
        drift_reference: how many of its first frames it is held against, without a profile.
        profile: of this camera, or its file, see `profile_camera`: its threshold, its scores as the
            reference of weights that use one, and the drift alarm held against it.
        imgsz: as for `estimators.load`.
        half: as for `estimators.load`.
        device: "auto", "cpu", "cuda", …
        backend: as for `Refiner`.
        workers: how many frames of a file are estimated at a time, with the same results; None is
            one a CPU where the estimator can, else 1.
        batch: frames of a file that are given to the estimator at once, for a GPU.
        threads: CPUs that decoder, estimators and encoder share; None is all that are allowed.
        progress: called when a source begins, after each frame, and when a live source is lost.

    Raises:
        RcnetError: while iterating, whatever failed. Outputs hold what was done until then.
    """
    options = VideoOptions(
        source=str(source) if isinstance(source, int) else fspath(source),
        model=model,
        weights=weights,
        threshold=threshold,
        out=None if out is None or out == "auto" else Path(out),
        draws=out is not None,
        json=None if json is None else Path(json),
        telemetry=None if telemetry is None else Path(telemetry),
        compare=compare,
        ellipses=ellipses,
        recheck=recheck,
        flip_test=flip_test,
        track=track,
        nms_oks=nms_oks,
        joints=tuple(joints),
        min_joint_confidence=min_joint_confidence,
        max_frames=max_frames,
        realtime=realtime,
        sandbox=sandbox,
        show=show,
        imgsz=imgsz,
        half=half,
        device=device,
        backend=backend,
        parallelism=Parallelism(workers, batch, threads),
        serve=None if serve is None else str(serve),
        serve_token=serve_token,
        drift_alarm=drift_alarm,
        drift_reference=drift_reference,
        profile=Path(profile) if isinstance(profile, (str, PathLike)) else profile,
    )
    return VideoRun(options, progress)


def _run(
    options: VideoOptions, tally: Tally, progress: OnProgress
) -> Generator[Result, None, None]:
    """Process one source after the other; the tally counts along."""
    if options.show:
        check_display()  # before anything else: see there
    parts = split(options.source)
    if options.track and not all(map(is_video, parts)):
        raise SourceError(
            f"--track follows people through time, and {options.source} has images, which have "
            "none; give a video or a camera, or leave --track out"
        )
    plans = plan(
        options.source,
        parts,
        out=options.out,
        video=options.draws,
        files=(options.json, options.telemetry),
    )
    live = any(map(is_live, parts))
    frame_by_frame = live or options.show or options.serve is not None
    budget = options.parallelism.budget(live=live)
    sources = (_open(part, options, budget) for part in parts)
    first = next(sources)  # what cannot be read fails before anything is loaded or written
    with first, between_frames() as check_interrupt, ExitStack() as stack:
        server = open_server(options, stack)
        models = load_models(options, budget)
        budget = models.workers.budget
        stack.enter_context(opencv_threads(budget.opencv))
        tally.scoring, tally.setup = models.scoring, models.setup
        tally.telemetry = Telemetry(budget)
        writer = open_json_lines(options, models, first, tally, stack)
        events = [ThresholdSink(writer, models.scoring.threshold)] if writer else []
        views = []
        if server is not None:
            views.append(open_view(server, models, first.name, tally, stack))
            progress(Progress(first.name, 0, None, f"live view: {server.url}"))
        window = open_window(options, models, first.name, check_interrupt, stack)
        check = checks(check_interrupt, window)
        with suppress(WindowClosed):
            for one, source in zip(plans, itertools.chain([first], sources), strict=True):
                with source, ExitStack() as open_files:
                    file = source.name if len(parts) > 1 else None
                    sinks: list[Sink] = [*events]
                    watch = open_monitor(options, models, tally, open_files)
                    if watch is not None:
                        sinks.append(DriftSink(tally.telemetry, writer))
                    if writer is not None:
                        sinks.append(JsonLinesSink(writer, file))
                    if one.out is not None:
                        sinks.append(open_output(options, one, source, budget, tally, open_files))
                    sinks += [*views, tally]
                    steps = stages(
                        models,
                        sinks,
                        options,
                        draws=one.out is not None,
                        frame_by_frame=frame_by_frame,
                        watch=watch,
                    )
                    results = _results(options, source, steps, tally, check, progress)
                    for result in open_files.enter_context(closing(results)):
                        if window is not None:
                            window.show(result)
                        yield result
                if _frames_left(options, tally) == 0:
                    break
        if isinstance(models.estimator, Recheck):
            tally.recheck = RecheckCost.of(models.estimator)


def _open(part: Part, options: VideoOptions, budget: ThreadBudget) -> Source:
    if options.realtime:
        return open_live(part)
    return open_sandboxed(part) if options.sandbox else open_source(part, budget.decoder)


def _results(
    options: VideoOptions,
    source: Source,
    steps: list[Stage],
    tally: Tally,
    check: Callable[[], None],
    progress: OnProgress,
) -> Generator[Result, None, None]:
    """Process one source to its end, and tell the progress."""
    left = _frames_left(options, tally)
    total = min((n for n in (source.frame_count, left) if n is not None), default=None)
    done, drift = 0, tuple[Change, ...]()
    progress(Progress(source.name, done, total))
    items = pipeline.process(
        source,
        steps,
        tally.telemetry,
        realtime=options.realtime,
        max_frames=left,
        check=check,
    )
    with closing(items):
        for item in items:
            if isinstance(item, Gap):
                going_on = "trying again" if source.kind == "camera" else "going on"
                progress(Progress(source.name, done, total, f"{item.reason}; {going_on}"))
                continue
            done += 1
            for message in drift_messages(drift, item):
                progress(Progress(source.name, done, total, message))
            drift = item.drift
            progress(Progress(source.name, done, total))
            yield item


def _frames_left(options: VideoOptions, tally: Tally) -> int | None:
    return None if options.max_frames is None else options.max_frames - tally.frames
