"""Scored frames written as files of poses, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath

from rcnet_rt.datasets.conversion.formats import COCO, JSONL, OPENPOSE, PARQUET
from rcnet_rt.datasets.files import atomic_text
from rcnet_rt.datasets.ids import ImageId, stem_of
from rcnet_rt.datasets.jsonl import JsonLinesWriter
from rcnet_rt.datasets.openpose import SUFFIX, people_of
from rcnet_rt.datasets.parquet.files import FRAMES, POSES, ParquetWriter
from rcnet_rt.datasets.results import poses_to_entries
from rcnet_rt.datasets.scored_frames import Provenance, ScoredFrame
from rcnet_rt.errors import DatasetError, OutputError
from rcnet_rt.files.writing import atomic_file, atomic_folder

__all__ = ["Write", "open_output"]

Write = Callable[[ScoredFrame], None]


def open_output(path: Path, name: str, provenance: Provenance) -> AbstractContextManager[Write]:
    """Yield what appends a frame; the output appears when the block ends without an error.

    Raises:
        OutputError: it cannot be written, or is a folder that is there.
        RcnetError: pyarrow is not installed.
    """
    return WRITERS[name](path, provenance)


@contextmanager
def _parquet(path: Path, provenance: Provenance) -> Iterator[Write]:
    if path.suffix.lower() == ".parquet":
        with atomic_file(path) as partial, ParquetWriter(partial, None, provenance) as writer:
            yield writer.write
        return
    with _new_folder(path) as folder:
        for table in (POSES, FRAMES):
            (folder / table).mkdir()
        poses, frames = (folder / table / f"{path.name}.parquet" for table in (POSES, FRAMES))
        with ParquetWriter(poses, frames, provenance) as writer:
            yield writer.write


@contextmanager
def _jsonl(path: Path, provenance: Provenance) -> Iterator[Write]:
    header = provenance.header
    with atomic_file(path) as partial, JsonLinesWriter(partial, header) as writer:

        def write(frame: ScoredFrame) -> None:
            file = None if frame.source == header.source else frame.source
            writer.write(frame.index, frame.time, frame.poses, frame.kept, file)

        yield write


@contextmanager
def _coco(path: Path, provenance: Provenance) -> Iterator[Write]:
    with atomic_text(path) as file:
        file.write("[")
        separator = ""

        def write(frame: ScoredFrame) -> None:
            nonlocal separator
            for entry in poses_to_entries(frame.poses, _image_id(frame, provenance)):
                file.write(separator + json.dumps(entry, separators=(",", ":")))
                separator = ",\n"

        yield write
        file.write("]")


def _image_id(frame: ScoredFrame, provenance: Provenance) -> ImageId:
    """Return the number of the frame; of several sources, the image's name or source/frame."""
    if frame.source == provenance.header.source:
        return frame.index
    return frame.source if frame.time is None else f"{frame.source}/{frame.index}"


@contextmanager
def _openpose(path: Path, provenance: Provenance) -> Iterator[Write]:
    skeleton = provenance.header.skeleton
    if skeleton != "coco17":
        raise DatasetError(
            f"OpenPose folders have no order of joints for {skeleton}; convert poses of coco17"
        )
    with _new_folder(path) as folder:

        def write(frame: ScoredFrame) -> None:
            file = folder / _file_name(frame, provenance)
            if file.exists():
                raise DatasetError(
                    f"two frames would be {file.name}: the sources have the same name; convert "
                    "them one by one"
                )
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps(people_of(frame.poses), separators=(",", ":")))

        yield write


def _file_name(frame: ScoredFrame, provenance: Provenance) -> str:
    """Return the name that OpenPose gives; of several videos, each has a folder of its own."""
    stem = stem_of(PurePosixPath(frame.source.replace("\\", "/")).name)
    if frame.source != provenance.header.source and frame.time is None:
        return f"{stem}{SUFFIX}.json"
    stem = stem.rsplit(".", 1)[0] or stem
    name = f"{stem}_{frame.index:012}{SUFFIX}.json"
    return name if frame.source == provenance.header.source else f"{stem}_json/{name}"


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    if path.exists():
        raise OutputError(f"{path} is there already; give a folder that is new")
    with atomic_folder(path) as folder:
        yield folder


WRITERS: dict[str, Callable[[Path, Provenance], AbstractContextManager[Write]]] = {
    PARQUET: _parquet,
    JSONL: _jsonl,
    COCO: _coco,
    OPENPOSE: _openpose,
}
