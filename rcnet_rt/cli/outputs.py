"""What `run` writes and where: names by rule, checks before anything is opened, sinks."""

from __future__ import annotations

import glob
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from rcnet_rt.errors import OutputError
from rcnet_rt.video.frame import Image, Source
from rcnet_rt.video.pictures import PICTURE_SUFFIXES
from rcnet_rt.video.pipeline import Result
from rcnet_rt.video.sink import CONTAINERS, PictureSink, VideoSink, check_output_file
from rcnet_rt.video.source import Part, is_video

__all__ = ["Drawing", "Plan", "open_sink", "plan"]

Drawing = Callable[[Result], Image]


@dataclass(frozen=True)
class Plan:
    """One source and where its drawn frames go: a file, a folder of pictures, or nowhere."""

    part: Part
    out: Path | None


def plan(
    spec: str, parts: list[Part], *, out: Path | None, video: bool, json: Path | None
) -> list[Plan]:
    """Decide the output of every source and check that it can be written.

    Args:
        spec: what the user gave as SOURCE.
        parts: the sources in it.
        out: --out, or None for the rule.
        video: False for --no-video.
        json: --json.

    Raises:
        OutputError: a folder is missing, or an output would overwrite a source.
    """
    plans = [Plan(part, None) for part in parts]
    if video and len(parts) == 1 and _is_single(parts[0]):
        plans = [Plan(parts[0], _file(parts[0], out))]
        assert plans[0].out is not None
        if out is None or plans[0].out == out:
            endings = CONTAINERS if is_video(parts[0]) else PICTURE_SUFFIXES
            check_output_file(plans[0].out, endings)
    elif video:
        folder = _folder(spec, out)
        plans = [
            Plan(part, folder / f"{part.stem}_rcnet.mp4" if isinstance(part, Path) else folder)
            for part in parts
        ]
    _check(plans, json)
    return plans


def open_sink(
    plan: Plan, source: Source, draw: Drawing, stack: ExitStack, wide: int
) -> Callable[[Result], None]:
    """Return what takes the results of one source; it is closed with the stack.

    Args:
        plan: where to.
        source: opened.
        draw: result -> picture.
        stack: closes it.
        wide: how many pictures stand side by side.
    """
    assert plan.out is not None
    if source.kind == "pictures":
        return _picture_sink(plan, draw)
    width, height = source.size
    rate, unit = source.frame_rate or Fraction(30), source.time_base or Fraction(1, 90_000)
    _create(plan.out.parent)
    sink = stack.enter_context(VideoSink(plan.out, (width * wide, height), rate, unit))

    def write(result: Result) -> None:
        assert result.frame.time is not None
        sink.write(draw(result), result.frame.time)

    return write


def _picture_sink(plan: Plan, draw: Drawing) -> Callable[[Result], None]:
    assert plan.out is not None
    one = plan.out if plan.out.suffix.lower() in PICTURE_SUFFIXES else None
    sink = PictureSink(plan.out.parent if one else plan.out)

    def write(result: Result) -> None:
        assert result.frame.name is not None
        sink.write(draw(result), one.name if one else result.frame.name)

    return write


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
    """Return the output of one video or one picture; --out may be a folder."""
    if isinstance(part, int):
        name = f"camera{part}_rcnet.mp4"
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
    return Path(f"{path.resolve().name or 'pictures'}_rcnet")


def _check(plans: list[Plan], json: Path | None) -> None:
    sources = {source.resolve() for plan in plans for source in _files(plan.part)}
    seen: set[Path] = set()
    if json is not None:
        check_output_file(json)
    for out in [*(plan.out for plan in plans), json]:
        if out is None:
            continue
        if out.resolve() in sources | {source.parent for source in sources if out.is_dir()}:
            raise OutputError(f"{out} holds the source itself; choose another name for the output")
        if out.resolve() in seen:
            raise OutputError(f"{out} would be written twice; choose different names")
        seen.add(out.resolve())


def _files(part: Part) -> tuple[Path, ...]:
    if isinstance(part, int):
        return ()
    return part if isinstance(part, tuple) else (part,)
