"""What `rcnet-rt run` does, without its words: one source after the other, from end to end."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

from rcnet_rt import estimators
from rcnet_rt.cli.progress import Report, progress_bar
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.errors import SourceError
from rcnet_rt.estimators import EmbeddingEstimator, Estimator
from rcnet_rt.estimators.recheck import Recheck
from rcnet_rt.poses.frame import Gap, Image, Source
from rcnet_rt.temporal.hysteresis import Hysteresis
from rcnet_rt.temporal.smoothing import ScoreSmoothing
from rcnet_rt.temporal.tracking import ByteTrack
from rcnet_rt.video import overlay, pipeline
from rcnet_rt.video.address import is_url
from rcnet_rt.video.audio import Sound, open_sound
from rcnet_rt.video.pipeline import Result, Sink, Stage
from rcnet_rt.video.source import Part, is_video, open_live, open_sandboxed, open_source, split
from rcnet_rt.video.telemetry import Telemetry, write_telemetry
from rcnet_rt.video.window import Window, WindowClosed, check_display
from rcnet_rt.workflows.interrupt import between_frames
from rcnet_rt.workflows.outputs import JsonLinesSink, Plan, open_drawn, plan
from rcnet_rt.workflows.scoring import Scoring, load_scoring
from rcnet_rt.workflows.summary import RunSummary

__all__ = ["RunOptions", "execute"]


@dataclass(frozen=True)
class RunOptions:
    """What the command line asked for; field by field the options of `rcnet-rt run`."""

    source: str
    model: str = "yolo-pose"
    weights: str = "auto"
    conf: str | float = "auto"
    out: Path | None = None
    no_video: bool = False
    json: Path | None = None
    compare: bool = False
    device: str = "auto"
    backend: str = "auto"
    recheck: int = 0
    track: bool = False
    max_frames: int | None = None
    realtime: bool = False
    sandbox: bool = False
    show: bool = False
    telemetry: Path | None = None


@dataclass(frozen=True)
class Job:
    """What stays the same from source to source."""

    options: RunOptions
    scoring: Scoring
    estimator: Estimator
    tally: RunSummary

    def draw(self, result: Result) -> Image:
        """Return the image with what is kept; with --compare what was kept before, too."""
        image, poses, kept = result.frame.image_bgr, result.poses, result.kept
        skeleton, scoring = self.estimator.skeleton, self.scoring
        if not self.options.compare:
            return overlay.draw(image, poses, kept, skeleton)
        return overlay.compare(
            image,
            poses,
            kept,
            skeleton,
            threshold=scoring.threshold,
            raw_threshold=scoring.raw_threshold,
        )

    def draw_raw(self, result: Result) -> Image:
        """Return the image as the estimator's own scores would have it."""
        threshold, skeleton = self.scoring.raw_threshold, self.estimator.skeleton
        return overlay.draw_raw(result.frame.image_bgr, result.poses, threshold, skeleton)


def execute(options: RunOptions, tally: RunSummary) -> Scoring:
    """Do what `rcnet-rt run` does, without its words; `tally` counts as it goes.

    Raises:
        RcnetError: whatever failed. Outputs hold what was done until then.
    """
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
        video=not options.no_video,
        files=(options.json, options.telemetry),
    )
    sources = (_open(part, options) for part in parts)
    first = next(sources)  # what cannot be read fails before anything is loaded or written
    with first, between_frames() as check_interrupt, ExitStack() as stack:
        scoring, estimator = _load(options)
        job = Job(options, scoring, estimator, tally)
        if options.show or not options.no_video:
            overlay.prepare()
        tally.telemetry = Telemetry()
        writer = _recorder(job, first, stack)
        window = _window(job, first.name, check_interrupt, stack)
        report = stack.enter_context(progress_bar())
        with suppress(WindowClosed):
            for one, source in zip(plans, itertools.chain([first], sources), strict=True):
                with source, ExitStack() as open_files:
                    file = source.name if len(parts) > 1 else None
                    sinks: list[Sink] = [JsonLinesSink(writer, file)] if writer else []
                    if one.out is not None:
                        sinks.append(_drawn(job, one, one.out, source, open_files))
                    report.start(source.name, _total(source, options, tally))
                    stages = _stages(job, sinks, draws=one.out is not None)
                    _follow(job, source, stages, report, window, check_interrupt)
                if _left(options, tally) == 0:
                    break
        if isinstance(estimator, Recheck):
            tally.looks, tally.looking = estimator.looks, estimator.seconds
            tally.recheck_changed = estimator.moved
    return scoring


def _open(part: Part, options: RunOptions) -> Source:
    if options.realtime:
        return open_live(part)
    return open_sandboxed(part) if options.sandbox else open_source(part)


def _load(options: RunOptions) -> tuple[Scoring, Estimator]:
    scoring = load_scoring(
        options.weights,
        options.conf,
        family=estimators.family(options.model),
        device=options.device,
        backend=options.backend,
    )
    estimator = estimators.load(options.model, floor=scoring.floor, device=options.device)
    scoring.check(estimator)
    if scoring.visual and isinstance(estimator, EmbeddingEstimator):
        estimator.show_embeddings()
    if options.recheck:
        estimator = Recheck(estimator, scoring.refine, options.recheck)
    if options.track:
        _track(scoring, estimator)  # what is not installed fails before anything is written
    return scoring, estimator


def _recorder(job: Job, source: Source, stack: ExitStack) -> JsonLinesWriter | None:
    """Open --json and see to --telemetry; the header says how the poses were scored."""
    options, scoring, estimator, tally = job.options, job.scoring, job.estimator, job.tally
    if options.telemetry is not None:
        tally.outputs.append(options.telemetry)
        stack.callback(write_telemetry, tally.telemetry, options.telemetry)
    if options.json is None:
        return None
    header = Header(
        source=source.name if is_url(options.source) else options.source,
        estimator=estimator.name,
        weights=scoring.name,
        skeleton=estimator.skeleton.name,
        threshold=scoring.threshold,
        family=estimator.family,
        image_size=source.size,
    )
    tally.outputs.append(options.json)
    return stack.enter_context(JsonLinesWriter(options.json, header))


def _drawn(job: Job, one: Plan, out: Path, source: Source, stack: ExitStack) -> Sink:
    """Open what takes the drawn frames of a source, with the sound of a video file."""
    job.tally.outputs.append(out)
    trusted = not job.options.sandbox
    sound = open_sound(one.part) if trusted and isinstance(one.part, Path) else None
    if sound is not None:
        stack.callback(_end_sound, sound, job.tally)
    return open_drawn(out, source, stack, 2 if job.options.compare else 1, sound)


def _end_sound(sound: Sound, tally: RunSummary) -> None:
    if sound.note is not None:
        tally.notes.append(sound.note)


def _window(job: Job, title: str, check: Callable[[], None], stack: ExitStack) -> Window | None:
    """Open the window of --show."""
    if not job.options.show:
        return None
    return stack.enter_context(Window(title, job.draw, job.draw_raw, check))


def _stages(job: Job, sinks: list[Sink], *, draws: bool) -> list[Stage]:
    """Return what happens to a frame of one source."""
    estimator = job.estimator
    if isinstance(estimator, Recheck):
        stages = [pipeline.estimate(estimator.first), pipeline.recheck(estimator.look)]
    else:
        stages = [pipeline.estimate(estimator)]
    stages.append(pipeline.refine(job.scoring.refine, job.scoring.threshold))
    if job.options.track:
        stages.append(_track(job.scoring, job.estimator))
    if draws:
        stages.append(pipeline.draw(job.draw))
    return [*stages, pipeline.write([*sinks, job.tally])]


def _track(scoring: Scoring, estimator: Estimator) -> Stage:
    """Return the stage of --track, which remembers one source."""
    keep = Hysteresis(scoring.threshold)
    # Whoever could not even stay is not worth following.
    follow = ByteTrack(least=keep.leave)
    return pipeline.track(follow, ScoreSmoothing(estimator.skeleton), keep)


def _follow(
    job: Job,
    source: Source,
    stages: list[Stage],
    report: Report,
    window: Window | None,
    check_interrupt: Callable[[], None],
) -> None:
    """Run one source to its end, and show how it goes."""

    def check() -> None:
        check_interrupt()
        if window is not None:
            window.poll()

    results = pipeline.process(
        source,
        stages,
        job.tally.telemetry,
        realtime=job.options.realtime,
        max_frames=_left(job.options, job.tally),
        check=check,
    )
    with closing(results):
        for result in results:
            if isinstance(result, Gap):
                going_on = "trying again" if source.kind == "camera" else "going on"
                report.say(f"{result.reason}; {going_on}")
                continue
            report.advance()
            if window is not None:
                window.show(result)


def _left(options: RunOptions, tally: RunSummary) -> int | None:
    return None if options.max_frames is None else options.max_frames - tally.frames


def _total(source: Source, options: RunOptions, tally: RunSummary) -> int | None:
    limits = [n for n in (source.frame_count, _left(options, tally)) if n is not None]
    return min(limits, default=None)
