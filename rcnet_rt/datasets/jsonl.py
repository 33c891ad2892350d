"""Our JSON Lines: one header, then one object a frame, numbers unrounded, all poses.

    {"rcnet_rt": "0.1.0", "source": "people.mp4", "estimator": …, "weights": …, …}
    {"frame": 0, "time": 0.0, "poses": [{"keypoints": [[x, y, c], null, …], "box": …, …}]}

Coordinates are float32 written as the shortest float64 that equals them, so reading gives the
same bits. Lines without "frame" are events, which the reader passes over.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.pose_objects import parse_poses, pose_objects
from rcnet_rt.errors import DatasetError, OutputError, SkeletonError
from rcnet_rt.files.writing import AtomicFile, cannot_be_written
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.arrays import float32_of
from rcnet_rt.poses.poses import Poses
from rcnet_rt.version import __version__

__all__ = [
    "Header",
    "JsonLinesWriter",
    "RecordedFrame",
    "ScoredLine",
    "read",
    "read_lines",
    "read_objects",
    "read_scored",
    "read_with_lines",
]


@dataclass(frozen=True)
class Header:
    """The first line: where the poses come from and how they were scored.

    Attributes:
        source: the video, image or camera; a URL is written without its credentials.
        estimator: what estimated the poses.
        weights: what refined their scores.
        skeleton: name of the skeleton.
        threshold: refined score from which a pose is kept.
        family: name of the weights made for the estimator's scores.
        image_size: (width, height) in pixels of frames that do not say otherwise.
    """

    source: str
    estimator: str
    weights: str
    skeleton: str
    threshold: float
    family: str = "generic"
    image_size: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class RecordedFrame:
    """One line: the frame's number, its time (seconds) or file, and its poses with raw scores."""

    index: int
    time: float | None
    file: str | None
    poses: Poses


@dataclass(frozen=True, eq=False)
class ScoredLine:
    """A line with refined scores in its poses, raw ones in `raw_scores`; (N,) which are kept."""

    frame: RecordedFrame
    kept: npt.NDArray[np.bool_]


class JsonLinesWriter:
    """Writes a recording; the file gets its name when closed, with every line written until then.

    Without a frame there is no file. File names that are not UTF-8 are escaped.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self._header = header
        self._output = AtomicFile(path)
        self._empty, self._broken = True, False
        try:
            self._file: TextIO = _open(self._output.partial, "wt", "backslashreplace")
            self._line(_header_object(header))
        except OSError as error:
            raise self._failed(error) from error

    def write(
        self,
        index: int,
        time: float | None,
        poses: Poses,
        kept: npt.NDArray[np.bool_],
        file: str | None = None,
    ) -> None:
        """Append one frame: its number, time in seconds, N poses, and (N,) which are kept.

        Raises:
            OutputError: the disk is full or gone.
        """
        line: dict[str, Any] = {"frame": index, "time": time}
        if file is not None:
            line["file"] = file
        if poses.image_size != self._header.image_size:
            line["image_size"] = poses.image_size
        line["poses"] = pose_objects(poses, kept)
        try:
            self._line(line)
        except OSError as error:
            raise self._failed(error) from error
        self._empty = False

    def event(self, name: str, **values: float | str | None) -> None:
        """Append an event, such as a gap in a live stream; readers of frames pass over it.

        Raises:
            OutputError: the disk is full or gone.
        """
        try:
            self._line({"event": name, **values})
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Finish the file and give it its name; closing twice does nothing.

        Raises:
            OutputError: the disk is full or gone.
        """
        if self._file.closed:
            return
        try:
            if self._broken:
                self._keep_whole_lines()
            self._file.close()
            if not self._empty:
                self._output.commit()
        except OSError as error:
            raise self._failed(error) from error
        finally:
            self._output.discard()

    def __enter__(self) -> JsonLinesWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _line(self, value: dict[str, Any]) -> None:
        self._file.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")

    def _keep_whole_lines(self) -> None:
        """Cut off what a full disk left of the last line; compressed files cannot be cut."""
        with contextlib.suppress(OSError):
            self._file.close()
        if self._output.is_special:
            return
        partial = self._output.partial
        data = b"" if partial.suffix == ".gz" else partial.read_bytes()
        with partial.open("r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)
        self._empty = data.count(b"\n") < 2  # the header alone says nothing

    def _failed(self, error: OSError) -> OutputError:
        self._broken = True
        return cannot_be_written(self.path, error)


def read(path: Path) -> tuple[Header, Iterator[RecordedFrame]]:
    """Return the header and the frames, read one by one as they are asked for.

    Poses have the raw scores as scores.

    Raises:
        DatasetError: a line is damaged; for frames, when it is reached.
    """
    header, lines = read_with_lines(path)
    return header, (frame for _, frame in lines if frame is not None)


def read_with_lines(
    path: Path,
) -> tuple[Header, Iterator[tuple[dict[str, Any], RecordedFrame | None]]]:
    """Return the header, and each line as it is written with its frame as `read` gives it.

    Lines of no frame, the header and events, have None.

    Raises:
        DatasetError: a line is damaged; for frames, when it is reached.
    """
    header, lines = _opened(path)
    return header, ((line, _frame(path, header, number, line)) for number, line in lines)


def read_scored(path: Path) -> tuple[Header, Iterator[ScoredLine | None]]:
    """Return the header and the frames with their refined scores; None for an event.

    Raises:
        DatasetError: a line is damaged; for frames, when it is reached.
    """
    header, lines = _opened(path)
    next(lines)
    return header, (_scored(path, header, number, line) for number, line in lines)


def _opened(path: Path) -> tuple[Header, Iterator[tuple[int, Any]]]:
    """Return the header, and all lines from the first on with their numbers."""
    lines = _lines(path)
    number, first = next(lines, (1, None))
    if not isinstance(first, dict) or "rcnet_rt" not in first:
        raise DatasetError(
            f"{path}, line {number}: expected the header of rcnet-rt's JSON Lines; "
            "give a file that `rcnet-rt run --json` wrote"
        )
    return _header(path, first), itertools.chain([(number, first)], lines)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the frames' lines as they are written: raw and refined scores, kept or not.

    Raises:
        DatasetError: a line is damaged.
    """
    return (line for _, line in _lines(path) if isinstance(line, dict) and "frame" in line)


def read_objects(path: Path) -> list[dict[str, Any]]:
    """Return every line as it is written: the header, frames and events.

    Raises:
        DatasetError: a line is damaged.
    """
    return [line for _, line in _lines(path) if isinstance(line, dict)]


def _scored(path: Path, header: Header, number: int, line: Any) -> ScoredLine | None:
    frame = _frame(path, header, number, line)
    if frame is None:
        return None
    try:
        poses = line["poses"]
        scores = [pose.get("score", pose["score_raw"]) for pose in poses]
        kept = np.array([bool(pose.get("kept", True)) for pose in poses], np.bool_)
        return ScoredLine(replace(frame, poses=frame.poses.with_scores(float32_of(scores))), kept)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError(
            f"{path}, line {number}: a score is no number ({error}); write the file again"
        ) from error


def _frame(path: Path, header: Header, number: int, line: Any) -> RecordedFrame | None:
    """Return the frame of a line, None for the header or an event."""
    if isinstance(line, dict) and "frame" not in line:
        return None
    joints = len(skeletons.get(header.skeleton).keypoints)
    try:
        poses = parse_poses(line["poses"], joints, line.get("image_size", header.image_size))
        return RecordedFrame(int(line["frame"]), line.get("time"), line.get("file"), poses)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError(
            f"{path}, line {number}: not a frame of {joints} keypoints a pose "
            f"({type(error).__name__}: {error}); write the file again"
        ) from error


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    number = 0
    try:
        with _open(path, "rt") as file:
            for number, text in enumerate(file, start=1):
                if text.strip():
                    yield number, json.loads(text)
    except (ValueError, EOFError, RecursionError, gzip.BadGzipFile) as error:
        raise DatasetError(
            f"{path}, line {number or 1}: not JSON ({error}); the file is cut off "
            "or damaged, write it again"
        ) from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error


def _open(path: Path, mode: str, errors: str = "strict") -> TextIO:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    # A byte of a file name that is not UTF-8 is a lone surrogate in Python, and JSON escapes those
    # as Python does: \udcff.
    file: TextIO = opener(path, mode, encoding="utf-8", errors=errors)
    return file


def _header_object(header: Header) -> dict[str, Any]:
    return {
        "rcnet_rt": __version__,
        "source": re.sub(r"(://)[^/@\s]*@", r"\1", header.source),
        "estimator": header.estimator,
        "family": header.family,
        "weights": header.weights,
        "skeleton": header.skeleton,
        "threshold": header.threshold,
        "image_size": header.image_size,
    }


def _header(path: Path, line: dict[str, Any]) -> Header:
    try:
        size = line.get("image_size")
        header = Header(
            source=str(line["source"]),
            estimator=str(line["estimator"]),
            weights=str(line["weights"]),
            skeleton=str(line["skeleton"]),
            threshold=float(line["threshold"]),
            family=str(line.get("family", "generic")),
            image_size=None if size is None else (int(size[0]), int(size[1])),
        )
        skeletons.get(header.skeleton)
    except SkeletonError as error:
        raise DatasetError(f"{path}, line 1: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise DatasetError(
            f"{path}, line 1: the header lacks something ({type(error).__name__}: {error}); "
            "write the file again"
        ) from error
    return header
