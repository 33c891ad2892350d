"""The files of a video run: default names, checks before anything is opened, sinks."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.errors import OutputError
from rcnet_rt.files.writing import check_output_file
from rcnet_rt.poses.frame import Gap, Source
from rcnet_rt.video.address import Address, is_url
from rcnet_rt.video.audio import Sound, open_sound
from rcnet_rt.video.images import IMAGE_SUFFIXES
from rcnet_rt.video.pipeline import Result, Sink
from rcnet_rt.video.sink import CONTAINERS, ImageSink, VideoSink
from rcnet_rt.video.source import Part, is_video
from rcnet_rt.video.telemetry import write_telemetry
from rcnet_rt.video.thread_budget import ThreadBudget
from rcnet_rt.workflows.summary import Tally
from rcnet_rt.workflows.video_stages import Models, VideoOptions

__all__ = [
    "JsonLinesSink",
    "Plan",
    "ThresholdSink",
    "open_drawn",
    "open_json_lines",
    "open_output",
    "plan",
]


@dataclass(frozen=True)
class Plan:
    """One source and where its drawn frames go: a file, a folder of images, or nowhere."""

    part: Part
    out: Path | None


def plan(
    spec: str, parts: list[Part], *, out: Path | None, video: bool, files: Iterable[Path | None]
) -> list[Plan]:
    """Decide the output of every source and check that it can be written.

    Args:
        spec: the source as the user gave it.
        parts: the sources in it.
        out: file or folder for drawn frames; None is the default name.
        video: whether frames are drawn.
        files: other files to write.

    Raises:
        OutputError: a folder is missing, or an output would overwrite a source.
    """
    plans = [Plan(part, None) for part in parts]
    if video and len(parts) == 1 and _is_single(parts[0]):
        plans = [Plan(parts[0], _file(parts[0], out))]
        assert plans[0].out is not None
        if out is None or plans[0].out == out:
            endings = CONTAINERS if is_video(parts[0]) else IMAGE_SUFFIXES
            check_output_file(plans[0].out, endings)
    elif video:
        folder = _folder(spec, out)
        plans = [
            Plan(part, folder / f"{part.stem}_rcnet.mp4" if isinstance(part, Path) else folder)
            for part in parts
        ]
    _check(plans, [file for file in files if file is not None])
    return plans


@dataclass(frozen=True)
class JsonLinesSink:
    """Writes the poses of a source's frames; `file` names the source where there are several."""

    writer: JsonLinesWriter
    file: str | None

    def write(self, result: Result) -> None:
        """Write one line."""
        frame = result.frame
        file = frame.name or self.file
        self.writer.write(frame.index, frame.time_seconds, result.poses, result.kept, file)

    def gap(self, gap: Gap) -> None:
        """Write one event."""
        self.writer.event("gap", time=gap.time, after=gap.after, reason=gap.reason)


@dataclass
class ThresholdSink:
    """Writes an event before the first frame that another threshold holds for.

    Attributes:
        writer: has the threshold of the header.
        threshold: the last that was written.
    """

    writer: JsonLinesWriter
    threshold: float

    def write(self, result: Result) -> None:
        """Write an event if the threshold has moved."""
        frame, threshold = result.frame, result.threshold
        if threshold is not None and threshold != self.threshold:
            time, after = frame.time_seconds, frame.index - 1
            self.writer.event("threshold", time=time, after=after, threshold=threshold)
            self.threshold = threshold

    def gap(self, gap: Gap) -> None:
        """The threshold stays."""


@dataclass(frozen=True)
class DrawnVideo:
    """Writes drawn frames to a video."""

    video: VideoSink

    def write(self, result: Result) -> None:
        """Append one frame."""
        assert result.frame.time is not None
        assert result.drawn is not None
        self.video.write(result.drawn, result.frame.time)

    def gap(self, gap: Gap) -> None:
        """The last frame is shown until the next."""


@dataclass(frozen=True)
class DrawnImages:
    """Writes drawn images under their own names, or a single one under a given name."""

    images: ImageSink
    name: str | None

    def write(self, result: Result) -> None:
        """Write one image."""
        assert result.frame.name is not None
        assert result.drawn is not None
        self.images.write(result.drawn, self.name or result.frame.name)

    def gap(self, gap: Gap) -> None:
        """Images have no gaps."""


def open_json_lines(
    options: VideoOptions, models: Models, source: Source, tally: Tally, stack: ExitStack
) -> JsonLinesWriter | None:
    """Open the JSON Lines, whose header says how poses are scored, and arrange for telemetry.

    Raises:
        OutputError: it cannot be written.
    """
    if options.telemetry is not None:
        tally.outputs.append(options.telemetry)
        stack.callback(write_telemetry, tally.telemetry, options.telemetry)
    if options.json is None:
        return None
    estimator, scoring = models.estimator, models.scoring
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


def open_output(
    options: VideoOptions,
    one: Plan,
    source: Source,
    budget: ThreadBudget,
    tally: Tally,
    stack: ExitStack,
) -> Sink:
    """Return the sink of the drawn frames of a source, with the sound of a video file."""
    assert one.out is not None
    tally.outputs.append(one.out)
    trusted = not options.sandbox
    sound = open_sound(one.part) if trusted and isinstance(one.part, Path) else None
    if sound is not None:
        stack.callback(_note_sound, sound, tally)
    return open_drawn(one.out, source, stack, 2 if options.compare else 1, sound, budget.encoder)


def _note_sound(sound: Sound, tally: Tally) -> None:
    if sound.note is not None:
        tally.notes.append(sound.note)


def open_drawn(
    out: Path,
    source: Source,
    stack: ExitStack,
    wide: int,
    sound: Sound | None = None,
    threads: int = 0,
) -> Sink:
    """Return the sink of the drawn frames of one source; it is closed with the stack.

    Args:
        out: file or folder, as planned.
        source: the open source.
        stack: closes the sink.
        wide: number of images side by side.
        sound: written along, or None.
        threads: that encode a video; 0 leaves the number to the encoder.
    """
    if source.kind == "images":
        is_file = out.suffix.lower() in IMAGE_SUFFIXES
        return DrawnImages(ImageSink(out.parent if is_file else out), out.name if is_file else None)
    width, height = source.size
    rate, unit = source.frame_rate or Fraction(30), source.time_base or Fraction(1, 90_000)
    _create(out.parent)
    sink = VideoSink(
        out,
        (width * wide, height),
        rate,
        unit,
        sound,
        sample_aspect_ratio=source.sample_aspect_ratio,
        threads=threads,
    )
    return DrawnVideo(stack.enter_context(sink))


def _create(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {folder} cannot be created ({error.strerror}); choose another --out"
        ) from error


def _is_single(part: Part) -> bool:
    return is_video(part) or (isinstance(part, tuple) and len(part) == 1)


def _file(part: Part, out: Path | None) -> Path:
    """Return the output of one video or one image; --out may be a folder."""
    if isinstance(part, int):
        name = f"camera{part}_rcnet.mp4"
    elif isinstance(part, Address):
        name = f"{part.stem}_rcnet.mp4"
    else:
        source = part[0] if isinstance(part, tuple) else part
        name = f"{source.stem}_rcnet{source.suffix if isinstance(part, tuple) else '.mp4'}"
    if out is None:
        return Path(name)
    if out.is_dir() or not out.suffix:
        return out / name
    return out


def _folder(spec: str, out: Path | None) -> Path:
    if out is not None:
        if out.suffix and not out.is_dir():
            raise OutputError(f"{spec} holds several files, so --out {out} must be a folder")
        return out
    path = Path(spec)
    while glob.has_magic(str(path)) and not path.exists():
        path = path.parent
    return Path(f"{path.resolve().name or 'images'}_rcnet")


def _check(plans: list[Plan], files: list[Path]) -> None:
    sources = {source.resolve() for plan in plans for source in _files(plan.part)}
    seen: set[Path] = set()
    for file in files:
        check_output_file(file)
    for out in [*(plan.out for plan in plans), *files]:
        if out is None:
            continue
        if out.resolve() in sources | {source.parent for source in sources if out.is_dir()}:
            raise OutputError(f"{out} holds the source itself; choose another name for the output")
        if out.resolve() in seen:
            raise OutputError(f"{out} would be written twice; choose different names")
        seen.add(out.resolve())


def _files(part: Part) -> tuple[Path, ...]:
    if isinstance(part, (int, Address)):
        return ()
    return part if isinstance(part, tuple) else (part,)
