"""Files of poses as scored frames, read as they are asked for."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rcnet_rt.datasets import jsonl
from rcnet_rt.datasets.conversion.formats import ABOUT, COCO, EVENTS, JSONL, OPENPOSE, PARQUET
from rcnet_rt.datasets.ids import ImageId, last_number
from rcnet_rt.datasets.jsonl import Header
from rcnet_rt.datasets.openpose import OpenPoseFrame, stream_openpose
from rcnet_rt.datasets.parquet.files import parquet_files, read_parquet, read_provenance
from rcnet_rt.datasets.pose_files import skeleton_of
from rcnet_rt.datasets.results_stream import ResultsStream, open_results
from rcnet_rt.datasets.scored_frames import Provenance, ScoredFrame
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.poses import Poses

__all__ = ["Results", "open_frames"]

UNKNOWN = ""  # estimator or weights


@dataclass(frozen=True)
class Results:
    """Results that are open.

    Attributes:
        provenance: where they come from.
        frames: yields them once.
        known: what of the provenance the format has.
        other_fields: what a file has that a `ScoredFrame` has no place for; complete at the end.
    """

    provenance: Provenance
    frames: Iterator[ScoredFrame]
    known: frozenset[str] = frozenset()
    other_fields: set[str] = field(default_factory=set)


def open_frames(path: Path, name: str) -> AbstractContextManager[Results]:
    """Open results in a format.

    Raises:
        DatasetError: they are damaged; of most frames, when they are reached.
        RcnetError: pyarrow is not installed.
    """
    return READERS[name](path)


@contextmanager
def _parquet(path: Path) -> Iterator[Results]:
    files = parquet_files(path)
    provenance = read_provenance(files[0][0])
    given = {
        "score_convention": provenance.score_convention,
        "weights_sha256": provenance.weights_sha256,
        **dict.fromkeys(ABOUT, provenance.header.estimator),
    }
    known = frozenset(name for name, value in given.items() if value)
    yield Results(provenance, _parquet_frames(files, provenance), known)


def _parquet_frames(
    files: list[tuple[Path, Path | None]], provenance: Provenance
) -> Iterator[ScoredFrame]:
    for poses, frames in files:
        if read_provenance(poses).header.skeleton != provenance.header.skeleton:
            raise DatasetError(f"{poses} has another skeleton than the first; convert it alone")
        yield from read_parquet(poses, frames)


@contextmanager
def _jsonl(path: Path) -> Iterator[Results]:
    header, lines = jsonl.read_scored(path)
    others: set[str] = set()
    yield Results(
        Provenance(header), _jsonl_frames(header, lines, others), frozenset(ABOUT), others
    )


def _jsonl_frames(
    header: Header, lines: Iterator[jsonl.ScoredLine | None], others: set[str]
) -> Iterator[ScoredFrame]:
    for line in lines:
        if line is None:
            others.add(EVENTS)
            continue
        frame = line.frame
        source = header.source if frame.file is None else frame.file
        yield ScoredFrame(source, frame.index, frame.time, frame.poses, line.kept)


@contextmanager
def _coco(path: Path) -> Iterator[Results]:
    with open_results(path, skeleton_of, finite=False) as stream:
        if stream.pose_count == 0:
            raise DatasetError(f"{path} holds no results")
        header = Header(path.name, UNKNOWN, UNKNOWN, stream.skeleton.name, 0.0)
        frames = _coco_frames(stream, path.name)
        yield Results(Provenance(header), frames, other_fields=stream.other_keys)


def _coco_frames(stream: ResultsStream, name: str) -> Iterator[ScoredFrame]:
    for image_id, poses in stream.by_image():
        source, index = _place(image_id, name)
        yield ScoredFrame(source, index, None, poses, _all(poses))


def _place(image_id: ImageId, name: str) -> tuple[str, int]:
    """Return source and frame of an image: a whole number is a frame of the file."""
    if isinstance(image_id, str):
        return image_id, 0
    if image_id != int(image_id) or abs(image_id) >= 2**63:
        return str(image_id), 0
    return name, int(image_id)


@contextmanager
def _openpose(path: Path) -> Iterator[Results]:
    others: set[str] = set()
    frames = stream_openpose(path)
    first = next(frames)
    # OpenPose names its files after the video: <video>_000000000012_keypoints.json.
    numbered = re.fullmatch(r"(.+)_\d+", first.name)
    source = path.name if numbered is None else numbered[1]
    header = Header(source, UNKNOWN, UNKNOWN, "coco17", 0.0)
    scored = _openpose_frames(itertools.chain([first], frames), source, others)
    yield Results(Provenance(header), scored, other_fields=others)


def _openpose_frames(
    frames: Iterable[OpenPoseFrame], source: str, others: set[str]
) -> Iterator[ScoredFrame]:
    last = -1
    for frame in frames:
        others |= frame.other_keys
        number = last_number(frame.name)
        last = last + 1 if number is None or number <= last else number
        yield ScoredFrame(source, last, None, frame.poses, _all(frame.poses))


def _all(poses: Poses) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.ones(len(poses), np.bool_)


READERS: dict[str, Callable[[Path], AbstractContextManager[Results]]] = {
    PARQUET: _parquet,
    JSONL: _jsonl,
    COCO: _coco,
    OPENPOSE: _openpose,
}
