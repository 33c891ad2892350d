"""`rcnet-rt run`: a video, pictures or a camera in; refined, filtered, drawn poses out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from rcnet_rt import backends, estimators
from rcnet_rt.cli.interrupt import between_frames
from rcnet_rt.cli.options import (
    debug_option,
    second_look_option,
    threshold_option,
    weights_option,
)
from rcnet_rt.cli.outputs import JsonLinesSink, open_drawn, plan
from rcnet_rt.cli.progress import progress_bar
from rcnet_rt.cli.scoring import Scoring, load_scoring
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.errors import RcnetError, SourceError
from rcnet_rt.estimators import Estimator
from rcnet_rt.hysteresis import Hysteresis, half_the_odds
from rcnet_rt.over_time import ScoresOverTime
from rcnet_rt.second_look import SecondLook
from rcnet_rt.tracking import ByteTrack, followed
from rcnet_rt.video import overlay, pipeline
from rcnet_rt.video.frame import Gap, Image, Source
from rcnet_rt.video.pipeline import Result, Sink, Stage
from rcnet_rt.video.source import is_video, open_source, split
from rcnet_rt.video.telemetry import Telemetry, write_telemetry

__all__ = ["RunOptions", "Tally", "execute", "run", "summarise"]


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
    second_look: int = 0
    track: bool = False
    max_frames: int | None = None
    telemetry: Path | None = None


@dataclass
class Tally:
    """Counts for the summary; as the last sink it counts what the others have written.

    `looks` are close-ups of a second look, which took `looking` seconds; `followed` are poses that
    belong to a track.
    """

    frames: int = 0
    poses: int = 0
    kept: int = 0
    moved: int = 0
    looks: int = 0
    looking: float = 0.0
    followed: int = 0
    outputs: list[Path] = field(default_factory=list)
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


@click.command()
@click.argument("source")
@click.option(
    "--model",
    default="yolo-pose",
    show_default=True,
    help="The estimator: a YOLO-Pose name, a .pt, .onnx or .engine file, an OpenVINO folder; "
    "rtmpose, rtmo, vitpose, keypointrcnn, mmpose (rtmo:lightweight, mmpose:human, …); your own by "
    "module:name; or replay:FILE of any tool. A .pt file is a program: load only those you trust.",
)
@weights_option
@threshold_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Drawn video or picture, or a folder for many.  [default: <stem>_rcnet.mp4 here]",
)
@click.option("--no-video", is_flag=True, help="Draw nothing.")
@click.option(
    "--json", type=click.Path(path_type=Path), help="Write all poses, kept or not, as JSON Lines."
)
@second_look_option
@click.option(
    "--track",
    is_flag=True,
    help="Follow people, so that nobody blinks: scores weigh earlier frames, and who is kept stays "
    "until the score is clearly below --conf. For videos and cameras; adds no delay.",
)
@click.option("--compare", is_flag=True, help="Raw score left, refined right, twice as wide.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …")
@click.option(
    "--backend",
    type=click.Choice(backends.NAMES),
    default="auto",
    show_default=True,
    help="What runs the refiner.",
)
@click.option("--max-frames", type=click.IntRange(min=1), help="Stop after this many frames.")
@click.option(
    "--telemetry", type=click.Path(path_type=Path), help="Write times and counts as JSON."
)
@debug_option
def run(**options: Any) -> None:
    """Refine the poses of SOURCE: a video, picture, folder, glob or camera index.

    Every pose keeps its keypoints and gets a new score. Poses whose refined score reaches --conf
    are drawn, each with its raw and its refined score.
    """
    chosen = RunOptions(**options)
    if chosen.second_look and chosen.model.startswith("replay:"):
        raise click.UsageError(
            "--second-look estimates parts of the pictures again, which replay cannot; "
            "a recording has the second look that was taken"
        )
    tally = Tally()
    try:
        scoring = execute(chosen, tally)
    except (RcnetError, KeyboardInterrupt):
        if tally.frames:
            click.echo(f"Stopped after {tally.frames} frames; written: {tally.written}.", err=True)
        raise
    summarise(tally, scoring)


def execute(options: RunOptions, tally: Tally) -> Scoring:
    """Do what `rcnet-rt run` does, without its words; `tally` counts as it goes.

    Raises:
        RcnetError: whatever failed. Outputs hold what was done until then.
    """
    parts = split(options.source)
    if options.track and not all(map(is_video, parts)):
        raise SourceError(
            f"--track follows people through time, and {options.source} has pictures, which have "
            "none; give a video or a camera, or leave --track out"
        )
    plans = plan(
        options.source,
        parts,
        out=options.out,
        video=not options.no_video,
        files=(options.json, options.telemetry),
    )
    sources = (open_source(part) for part in parts)
    first = next(sources)  # what cannot be read fails before anything is loaded or written
    with first, between_frames() as check_interrupt, ExitStack() as stack:
        scoring, estimator = _load(options)
        writer = _recorder(options, scoring, estimator, first, tally, stack)
        report = stack.enter_context(progress_bar())
        tally.telemetry = Telemetry()
        if options.telemetry is not None:
            tally.outputs.append(options.telemetry)
            stack.callback(write_telemetry, tally.telemetry, options.telemetry)
        for one, source in zip(plans, itertools.chain([first], sources), strict=True):
            with source, ExitStack() as open_files:
                stages = _stages(options, scoring, estimator)
                sinks: list[Sink] = []
                if writer is not None:
                    sinks.append(JsonLinesSink(writer, source.name if len(parts) > 1 else None))
                if one.out is not None:
                    stages.append(pipeline.draw(_drawing(options, scoring, estimator)))
                    tally.outputs.append(one.out)
                    wide = 2 if options.compare else 1
                    sinks.append(open_drawn(one.out, source, open_files, wide))
                stages.append(pipeline.write([*sinks, tally]))
                report.start(source.name, _total(source, options, tally))
                results = pipeline.process(
                    source,
                    stages,
                    tally.telemetry,
                    max_frames=_left(options, tally),
                    check=check_interrupt,
                )
                with closing(results):
                    for _ in results:
                        report.advance()
            if _left(options, tally) == 0:
                break
        if isinstance(estimator, SecondLook):
            tally.looks, tally.looking = estimator.looks, estimator.seconds
    return scoring


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
    if options.second_look:
        estimator = SecondLook(estimator, scoring.refine, options.second_look)
    _stages(options, scoring, estimator)  # what is not installed fails before anything is written
    return scoring, estimator


def _recorder(
    options: RunOptions,
    scoring: Scoring,
    estimator: Estimator,
    source: Source,
    tally: Tally,
    stack: ExitStack,
) -> JsonLinesWriter | None:
    """Open --json; the header says how the poses were scored."""
    if options.json is None:
        return None
    header = Header(
        source=options.source,
        estimator=estimator.name,
        weights=scoring.name,
        skeleton=estimator.skeleton.name,
        threshold=scoring.threshold,
        family=estimator.family,
        image_size=source.size,
    )
    tally.outputs.append(options.json)
    return stack.enter_context(JsonLinesWriter(options.json, header))


def _stages(options: RunOptions, scoring: Scoring, estimator: Estimator) -> list[Stage]:
    """Return what happens to a frame before it is drawn and written."""
    stages = [pipeline.estimate(estimator), pipeline.refine(scoring.refine, scoring.threshold)]
    if options.track:
        keep = Hysteresis(scoring.threshold)
        # Whoever could not even stay is not worth following.
        follow = ByteTrack(least=keep.leave)
        stages.append(pipeline.track(follow, ScoresOverTime(estimator.skeleton), keep))
    return stages


def _drawing(
    options: RunOptions, scoring: Scoring, estimator: Estimator
) -> Callable[[Result], Image]:
    """Return what draws a result."""
    skeleton = estimator.skeleton

    def compare(result: Result) -> Image:
        return overlay.compare(
            result.frame.image_bgr,
            result.poses,
            result.kept,
            skeleton,
            threshold=scoring.threshold,
            raw_threshold=scoring.raw_threshold,
        )

    def draw(result: Result) -> Image:
        return overlay.draw(result.frame.image_bgr, result.poses, result.kept, skeleton)

    return compare if options.compare else draw


def _left(options: RunOptions, tally: Tally) -> int | None:
    return None if options.max_frames is None else options.max_frames - tally.frames


def _total(source: Source, options: RunOptions, tally: Tally) -> int | None:
    limits = [n for n in (source.frame_count, _left(options, tally)) if n is not None]
    return min(limits, default=None)


def _ranks(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    return np.argsort(np.argsort(-scores, kind="stable"), kind="stable")


def summarise(tally: Tally, scoring: Scoring) -> None:
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
            f"score is >= {half_the_odds(scoring.threshold):.3g}"
        )
    refining = tally.telemetry.stages["refine"]
    click.echo(
        f"refining: {1000 * refining.percentile(0.5):.2f} ms a frame (median), "
        f"{100 * tally.telemetry.share('refine'):.1f} % of the time"
    )
    if tally.looks:
        click.echo(
            f"second look: {tally.looks / tally.frames:.1f} close-ups a frame, "
            f"{1000 * tally.looking / tally.frames:.0f} ms a frame"
        )
    note = ": no trained weights, a hand-made formula" if scoring.is_formula else ""
    click.echo(f"weights: {scoring.name}{note} ({scoring.backend})")
    if tally.outputs:
        click.echo(f"written: {tally.written}")
