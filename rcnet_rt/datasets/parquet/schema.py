"""The columns of the two tables, poses and frames, and what stands in their metadata.

Joints are fixed-size lists of K float32, one list a coordinate, so that `keypoint_x[11]` is a
joint's x in SQL. A joint that was not found is null in `keypoint_x` and `keypoint_y`; what an
estimator or the weights do not give is a list of nulls (pyarrow before 26 reads no null in place of
a list of a fixed size).

The poses' table has no row for a frame without poses; the frames' table has a row for each frame.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rcnet_rt.datasets.jsonl import Header
from rcnet_rt.datasets.scored_frames import Provenance
from rcnet_rt.errors import DatasetError, RcnetError, missing_package
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.fields import CONSENSUS
from rcnet_rt.version import __version__

__all__ = [
    "KEY",
    "LIST_COLUMNS",
    "ListColumn",
    "frame_schema",
    "import_parquet",
    "metadata_of",
    "pose_schema",
    "provenance_of",
]

KEY = b"rcnet_rt"  # in the metadata: a JSON text, as in weights files


@dataclass(frozen=True)
class ListColumn:
    """A column that holds a fixed-size list of float32 for each pose.

    Attributes:
        name: of the column.
        field: attribute of `Poses`.
        place: index into the last axes of that attribute; () is all of it.
        size: of the list; None is the number of joints.
        null_joints: whether a joint that was not found is null instead of NaN.
        partial: whether it may be known of some poses of a frame only: NaN for the others.
    """

    name: str
    field: str
    place: tuple[int, ...] = ()
    size: int | None = None
    null_joints: bool = False
    partial: bool = False


LIST_COLUMNS = (
    ListColumn("keypoint_x", "keypoints", (0,), null_joints=True),
    ListColumn("keypoint_y", "keypoints", (1,), null_joints=True),
    ListColumn("keypoint_score", "keypoint_scores"),
    ListColumn("joint_confidence", "joint_confidence"),
    ListColumn("covariance_xx", "joint_covariance", (0, 0), null_joints=True),
    ListColumn("covariance_xy", "joint_covariance", (0, 1), null_joints=True),
    ListColumn("covariance_yy", "joint_covariance", (1, 1), null_joints=True),
    ListColumn("box", "boxes", size=4),
    ListColumn("consensus", "consensus", size=len(CONSENSUS), partial=True),
)


def import_parquet() -> Any:
    """Return `pyarrow.parquet`, imported, and with it pyarrow.

    Raises:
        RcnetError: it is not installed.
    """
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise RcnetError(
            missing_package("pyarrow", "Parquet files", "rcnet-rt[parquet]")
        ) from error
    return parquet


def pose_schema(joints: int, metadata: Mapping[bytes, bytes]) -> Any:
    """Return the schema of the poses' table: one row a pose of so many joints."""
    import pyarrow as pa

    lists = [
        pa.field(column.name, pa.list_(pa.float32(), column.size or joints))
        for column in LIST_COLUMNS
    ]
    return pa.schema(
        [
            *_frame_fields(),
            pa.field("track", pa.int64()),
            pa.field("score_raw", pa.float32()),
            pa.field("score", pa.float32()),
            pa.field("kept", pa.bool_()),
            *lists,
            pa.field("agreement", pa.float32()),
            pa.field("embedding", pa.list_(pa.float32())),
        ],
        metadata=metadata,
    )


def frame_schema(metadata: Mapping[bytes, bytes]) -> Any:
    """Return the schema of the frames' table: one row a frame, with its number of poses."""
    import pyarrow as pa

    return pa.schema([*_frame_fields(), pa.field("poses", pa.int64())], metadata=metadata)


def _frame_fields() -> list[Any]:
    import pyarrow as pa

    return [
        pa.field("source", pa.string(), nullable=False),
        pa.field("frame", pa.int64(), nullable=False),
        pa.field("time", pa.float64()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
    ]


def metadata_of(provenance: Provenance, **more: Any) -> dict[bytes, bytes]:
    """Return the metadata of a table, with more that JSON can hold."""
    header = provenance.header
    record = {
        "rcnet_rt": __version__,
        **asdict(header),
        "keypoints": skeletons.get(header.skeleton).keypoints,
        "weights_sha256": provenance.weights_sha256,
        "score_convention": provenance.score_convention,
        **more,
    }
    return {KEY: json.dumps(record).encode()}


def provenance_of(path: Path, metadata: Mapping[bytes, bytes] | None) -> Provenance:
    """Return what the metadata of a table says.

    Raises:
        DatasetError: rcnet-rt did not write it, or it is damaged.
    """
    if metadata is None or KEY not in metadata:
        raise DatasetError(
            f"{path} has no metadata of rcnet-rt in its schema; give Parquet that `rcnet-rt "
            "predict` or `convert` wrote, as it was written"
        )
    try:
        record = json.loads(metadata[KEY])
        size = record["image_size"]
        header = Header(
            source=str(record["source"]),
            estimator=str(record["estimator"]),
            weights=str(record["weights"]),
            skeleton=skeletons.get(record["skeleton"]).name,
            threshold=float(record["threshold"]),
            family=str(record["family"]),
            image_size=None if size is None else (int(size[0]), int(size[1])),
        )
        return Provenance(header, record["weights_sha256"], str(record["score_convention"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DatasetError(
            f"{path}: its metadata is damaged ({type(error).__name__}: {error}); write it again"
        ) from error
