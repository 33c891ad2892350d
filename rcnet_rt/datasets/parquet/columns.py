"""Frames of poses as Arrow tables, and back, to the bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.parquet.schema import (
    LIST_COLUMNS,
    ListColumn,
    frame_schema,
    pose_schema,
)
from rcnet_rt.datasets.scored_frames import ScoredFrame
from rcnet_rt.poses.poses import Poses

__all__ = ["PoseColumns", "frame_table", "pose_table"]

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def pose_table(frames: Sequence[ScoredFrame], joints: int, metadata: Mapping[bytes, bytes]) -> Any:
    """Return the poses of some frames as a table of `schema.pose_schema`."""
    import pyarrow as pa

    all_poses = [frame.poses for frame in frames]
    counts = [len(poses) for poses in all_poses]
    arrays = {
        **_repeated(frames, counts),
        "track": _scalars(all_poses, "track_ids", pa.int64()),
        "score_raw": np.concatenate([poses.estimator_scores for poses in all_poses]),
        "score": np.concatenate([poses.scores for poses in all_poses]),
        "kept": np.concatenate([frame.kept for frame in frames]),
        **{column.name: _lists(all_poses, column, joints) for column in LIST_COLUMNS},
        "agreement": _scalars(all_poses, "agreement", pa.float32()),
        "embedding": _embeddings(all_poses),
    }
    return pa.table(arrays, schema=pose_schema(joints, metadata))


def frame_table(frames: Sequence[ScoredFrame], metadata: Mapping[bytes, bytes]) -> Any:
    """Return some frames as a table of `schema.frame_schema`."""
    import pyarrow as pa

    arrays = _repeated(frames, [1] * len(frames))
    arrays["poses"] = [len(frame.poses) for frame in frames]
    return pa.table(arrays, schema=frame_schema(metadata))


def _repeated(frames: Sequence[ScoredFrame], counts: list[int]) -> dict[str, Any]:
    """Return the columns that say which frame it is, each value so many times."""
    sizes = [frame.poses.image_size or (None, None) for frame in frames]
    values: dict[str, list[Any]] = {
        "source": [frame.source for frame in frames],
        "frame": [frame.index for frame in frames],
        "time": [frame.time for frame in frames],
        "width": [width for width, _ in sizes],
        "height": [height for _, height in sizes],
    }
    return {
        name: [value for value, count in zip(column, counts, strict=True) for _ in range(count)]
        for name, column in values.items()
    }


def _given(all_poses: Sequence[Poses], field: str) -> list[Any]:
    return [getattr(poses, field) for poses in all_poses]


def _scalars(all_poses: Sequence[Poses], field: str, kind: Any) -> Any:
    import pyarrow as pa

    values: list[Any] = []
    for poses, given in zip(all_poses, _given(all_poses, field), strict=True):
        values += [None] * len(poses) if given is None else given.tolist()
    return pa.array(values, kind)


def _lists(all_poses: Sequence[Poses], column: ListColumn, joints: int) -> Any:
    import pyarrow as pa

    size = column.size or joints
    parts, known = [], []
    for poses, given in zip(all_poses, _given(all_poses, column.field), strict=True):
        values = np.zeros((len(poses), size), np.float32)
        if given is not None:
            place: tuple[Any, ...] = (..., *column.place)
            values = given[place]
        there = np.full(len(poses), given is not None)
        parts.append(values)
        known.append(there & ~np.isnan(values).all(axis=1) if column.partial else there)
    flat = np.concatenate(parts).reshape(-1)
    missing = np.repeat(~np.concatenate(known), size)
    if column.null_joints:
        missing |= np.isnan(flat)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32(), mask=missing), size)


def _embeddings(all_poses: Sequence[Poses]) -> Any:
    import pyarrow as pa

    values: list[Any] = []
    for poses in all_poses:
        if poses.embeddings is None:
            values += [None] * len(poses)
        else:
            values += [None if np.isnan(row).all() else row for row in poses.embeddings]
    return pa.array(values, pa.list_(pa.float32()))


class PoseColumns:
    """The rows of a poses' table as arrays, of which ranges become `Poses`.

    Args:
        table: of `schema.pose_schema`; columns that another tool wrote as plain lists will do.
        joints: number of keypoints.

    Raises:
        ValueError: a column is missing, or of another type.
    """

    def __init__(self, table: Any, joints: int) -> None:
        table = table.cast(pose_schema(joints, {})) if table.num_rows else table
        self.rows = table.num_rows
        self._lists = {
            column.name: _list_values(table[column.name], column.size or joints)
            for column in LIST_COLUMNS
        }
        self._covariance = [c.name for c in LIST_COLUMNS if c.field == "joint_covariance"]
        self.score_raw = _numbers(table["score_raw"])
        self.score = _numbers(table["score"])
        self.kept = np.asarray(table["kept"].to_numpy(), np.bool_)
        self._tracks = table["track"].to_pylist()
        self._agreement = _numbers(table["agreement"])
        self._embeddings = table["embedding"].to_pylist()

    def poses(self, begin: int, end: int, image_size: tuple[int, int] | None) -> Poses:
        """Return the poses of some rows, with refined scores."""
        some = slice(begin, end)
        joints = self._lists["keypoint_x"][0].shape[1]
        if begin == end:
            return Poses.empty(joints, image_size)
        given: dict[str, Any] = {}
        for column in LIST_COLUMNS:
            values, known = (array[some] for array in self._lists[column.name])
            if column.place == () and (known.any() if column.partial else known.all()):
                given[column.field] = np.where(known[:, None], values, np.float32(np.nan))
        if self._lists["covariance_xx"][1][some].any():  # unknown of poses without any joint
            xx, xy, yy = (self._lists[name][0][some] for name in self._covariance)
            matrices = np.stack([xx, xy, xy, yy], axis=2)
            given["joint_covariance"] = matrices.reshape(-1, joints, 2, 2)
        tracks = self._tracks[some]
        if any(track is not None for track in tracks):
            given["track_ids"] = [-1 if track is None else track for track in tracks]
        if not np.isnan(self._agreement[some]).all():
            given["agreement"] = self._agreement[some]
        if (size := max((len(row) for row in self._embeddings[some] if row), default=0)) > 0:
            unknown = [np.nan] * size
            given["embeddings"] = [row or unknown for row in self._embeddings[some]]
        x, y = self._lists["keypoint_x"][0][some], self._lists["keypoint_y"][0][some]
        return Poses(
            np.stack([x, y], axis=2),
            self.score[some],
            raw_scores=self.score_raw[some],
            image_size=image_size,
            **given,
        )


def _numbers(column: Any) -> Floats:
    return np.asarray(column.to_numpy(), np.float32)


def _list_values(column: Any, size: int) -> tuple[Floats, Mask]:
    """Return (N, size) values, NaN for null, and (N,) which lists hold any."""
    import pyarrow as pa

    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(array, pa.ChunkedArray):  # of no rows
        return np.zeros((0, size), np.float32), np.zeros(0, np.bool_)
    flat = array.values.slice(array.offset * size, len(array) * size)
    values = flat.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    valid = flat.is_valid().to_numpy(zero_copy_only=False).astype(np.bool_, copy=False)
    return values.reshape(-1, size), valid.reshape(-1, size).any(axis=1)
