"""Writing and reading Parquet of poses a block at a time.

One file holds poses alone. A folder holds `poses/NAME.parquet`, each with a `frames/NAME.parquet`
of every frame, those without poses too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from rcnet_rt.datasets.parquet.columns import PoseColumns, frame_table, pose_table
from rcnet_rt.datasets.parquet.schema import (
    frame_schema,
    import_parquet,
    metadata_of,
    pose_schema,
    provenance_of,
)
from rcnet_rt.datasets.scored_frames import Provenance, ScoredFrame
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses import skeletons

__all__ = ["FRAMES", "POSES", "ParquetWriter", "parquet_files", "read_parquet", "read_provenance"]

POSES, FRAMES = "poses", "frames"
SUFFIX = ".parquet"
BLOCK = 16_384  # poses, or frames, of a row group; also what is read at once
COMPRESSION = "zstd"


class ParquetWriter:
    """Writes frames as row groups of bounded size.

    Args:
        poses: file of the poses' table.
        frames: file of the frames' table; None writes none.
        provenance: what goes into the metadata.
        more: what else does.

    Raises:
        OSError: a file cannot be written.
    """

    def __init__(
        self, poses: Path, frames: Path | None, provenance: Provenance, **more: Any
    ) -> None:
        parquet = import_parquet()
        self._joints = len(skeletons.get(provenance.header.skeleton).keypoints)
        self._metadata = metadata_of(provenance, **more)
        self._waiting: list[ScoredFrame] = []
        self._waiting_poses = 0
        self.frame_count = self.pose_count = self.empty_count = 0
        with ExitStack() as stack:
            schema = pose_schema(self._joints, self._metadata)
            self._poses = parquet.ParquetWriter(poses, schema, compression=COMPRESSION)
            stack.callback(self._poses.close)
            self._frames = None
            if frames is not None:
                schema = frame_schema(self._metadata)
                self._frames = parquet.ParquetWriter(frames, schema, compression=COMPRESSION)
                stack.callback(self._frames.close)
            self._files = stack.pop_all()

    def write(self, frame: ScoredFrame) -> None:
        """Append one frame.

        Raises:
            OSError: the disk is full or gone.
        """
        self._waiting.append(frame)
        self._waiting_poses += len(frame.poses)
        self.frame_count += 1
        self.pose_count += len(frame.poses)
        self.empty_count += len(frame.poses) == 0
        if max(self._waiting_poses, len(self._waiting)) >= BLOCK:
            self._flush()

    def close(self) -> None:
        """Finish the files."""
        with self._files:
            self._flush()

    def __enter__(self) -> ParquetWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._waiting_poses:
            self._poses.write_table(pose_table(self._waiting, self._joints, self._metadata))
        if self._frames is not None:
            self._frames.write_table(frame_table(self._waiting, self._metadata))
        self._waiting, self._waiting_poses = [], 0


def parquet_files(path: Path) -> list[tuple[Path, Path | None]]:
    """Return the files of poses, in order of their names, each with its file of frames.

    Args:
        path: one file, a folder of such, or a folder with `poses` and `frames` in it.

    Raises:
        DatasetError: there are none.
    """
    if not path.is_dir():
        return [(path, None)]
    folder = path / POSES if (path / POSES).is_dir() else path
    frames = folder.parent / FRAMES
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if not files:
        raise DatasetError(f"{path} holds no Parquet files (*{SUFFIX}); check the path")
    both = [(file, frames / file.name) for file in files]
    return [(file, beside if beside.is_file() else None) for file, beside in both]


def read_provenance(path: Path) -> Provenance:
    """Return what the metadata of a file says.

    Raises:
        DatasetError: it is damaged, or no Parquet of rcnet-rt.
    """
    with _opened(path) as file:
        return provenance_of(path, file.schema_arrow.metadata)


def read_parquet(poses: Path, frames: Path | None = None) -> Iterator[ScoredFrame]:
    """Yield the frames of a file; without a file of frames, those that have poses.

    Raises:
        DatasetError: it is damaged, or no Parquet of rcnet-rt.
    """
    with ExitStack() as stack:
        file = stack.enter_context(_opened(poses))
        header = provenance_of(poses, file.schema_arrow.metadata).header
        joints = len(skeletons.get(header.skeleton).keypoints)
        try:
            if frames is None:
                yield from _grouped(file, joints)
            else:
                yield from _counted(file, stack.enter_context(_opened(frames)), joints)
        except (KeyError, ValueError, TypeError) as error:
            raise DatasetError(
                f"{poses} is not Parquet of rcnet-rt ({type(error).__name__}: {error}); "
                "write it again"
            ) from error


def _opened(path: Path) -> Any:
    parquet = import_parquet()
    try:
        return parquet.ParquetFile(path)
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read: {error.strerror or error}; check the path"
        ) from error
    except ValueError as error:  # ArrowInvalid
        raise DatasetError(
            f"{path} is cut off or no Parquet file ({error}); fetch or write it again"
        ) from error


@dataclass(frozen=True)
class _FrameRow:
    """A frame without its poses."""

    source: str
    frame: int
    time: float | None
    width: int | None
    height: int | None

    def scored(self, columns: PoseColumns, begin: int, end: int) -> ScoredFrame:
        size = None if self.width is None or self.height is None else (self.width, self.height)
        poses = columns.poses(begin, end, size)
        return ScoredFrame(self.source, self.frame, self.time, poses, columns.kept[begin:end])


NAMES = list(_FrameRow.__dataclass_fields__)


def _frame_rows(table: Any) -> Iterator[_FrameRow]:
    columns = (table[name].to_pylist() for name in NAMES)
    return (_FrameRow(*values) for values in zip(*columns, strict=True))


def _tables(file: Any) -> Iterator[Any]:
    import pyarrow as pa

    for batch in file.iter_batches(batch_size=BLOCK):
        yield pa.Table.from_batches([batch])


def _grouped(file: Any, joints: int) -> Iterator[ScoredFrame]:
    """Yield frames by runs of rows with the same source and number."""
    import pyarrow as pa

    rest = None
    for table in _tables(file):
        rest = table if rest is None else pa.concat_tables([rest, table])
        ends = _ends_of_runs(rest)
        if ends:  # the last run may go on in the next block
            yield from _split(rest.slice(0, ends[-1]), [0, *ends], joints)
            rest = rest.slice(ends[-1])
    if rest is not None and rest.num_rows:
        yield from _split(rest, [0, rest.num_rows], joints)


def _ends_of_runs(table: Any) -> list[int]:
    """Return where each run but the last ends."""
    sources = np.array(table["source"].to_pylist(), dtype=object)
    numbers = table["frame"].to_numpy()
    changes = (sources[1:] != sources[:-1]) | (numbers[1:] != numbers[:-1])
    ends: list[int] = (np.flatnonzero(changes) + 1).tolist()
    return ends


def _split(table: Any, bounds: list[int], joints: int) -> Iterator[ScoredFrame]:
    columns = PoseColumns(table, joints)
    firsts = _frame_rows(table.take(bounds[:-1]))
    for row, begin, end in zip(firsts, bounds[:-1], bounds[1:], strict=True):
        yield row.scored(columns, begin, end)


def _counted(file: Any, frames: Any, joints: int) -> Iterator[ScoredFrame]:
    """Yield every frame with as many rows of the poses as it counts."""
    import pyarrow as pa

    poses = _tables(file)
    rest = pose_schema(joints, {}).empty_table()
    for table in _tables(frames):
        counts = table["poses"].to_numpy()
        needed = int(counts.sum())
        while rest.num_rows < needed:
            more = next(poses, None)
            if more is None:
                raise ValueError("it has fewer poses than its file of frames counts")
            rest = pa.concat_tables([rest, more.replace_schema_metadata(None)])
        columns = PoseColumns(rest.slice(0, needed), joints)
        ends = np.cumsum(counts).tolist()
        for row, begin, end in zip(_frame_rows(table), [0, *ends[:-1]], ends, strict=True):
            yield row.scored(columns, begin, end)
        rest = rest.slice(needed)
    if rest.num_rows or next(poses, None) is not None:
        raise ValueError("it has more poses than its file of frames counts")
