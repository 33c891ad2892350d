"""The formats, by name, and what each can hold of a pose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rcnet_rt.datasets.parquet.files import POSES
from rcnet_rt.datasets.pose_files import is_recording
from rcnet_rt.datasets.scored_frames import ScoredFrame
from rcnet_rt.errors import DatasetError, OutputError

__all__ = ["COCO", "FORMATS", "HOLDS", "JSONL", "OPENPOSE", "PARQUET", "format_of", "format_to"]
__all__ += ["EMPTY_FRAMES", "EVENTS", "contents", "holds"]

PARQUET, JSONL, COCO, OPENPOSE = "parquet", "jsonl", "coco", "openpose"
FORMATS = (PARQUET, JSONL, COCO, OPENPOSE)

EMPTY_FRAMES, EVENTS = "frames without poses", "events"
SIGNALS = {"consensus": "consensus", "agreement": "agreement", "embeddings": "embedding"}
# Attributes of `Poses` that may be absent, by what files call them.
OPTIONAL = {
    "keypoint_scores": "keypoint_score",
    "boxes": "box",
    "track_ids": "track",
    "joint_confidence": "joint_confidence",
    "joint_covariance": "joint_covariance",
    "image_size": "image size",
    **SIGNALS,
}
ABOUT = ("estimator", "weights", "threshold")
PER_POSE = {"score_raw", "kept", "time", *OPTIONAL.values()}

HOLDS = {
    PARQUET: PER_POSE | {*ABOUT, "weights_sha256", "score_convention"},
    JSONL: PER_POSE | {*ABOUT, EMPTY_FRAMES},
    COCO: {"keypoint_score", "box", "joint_confidence", "joint_covariance", *SIGNALS.values()},
    # Its c is the calibrated confidence where there is one, else the estimator's.
    OPENPOSE: {"keypoint_score", "joint_confidence", "track", EMPTY_FRAMES},
}


def holds(name: str, path: Path) -> set[str]:
    """Return what a format can hold, by the names of the fields; a Parquet folder has frames."""
    is_folder = name == PARQUET and path.suffix.lower() != ".parquet"
    return HOLDS[name] | ({EMPTY_FRAMES} if is_folder else set())


def contents(frame: ScoredFrame) -> Iterator[str]:
    """Yield what a frame has that not every format can hold."""
    poses = frame.poses
    if len(poses) == 0:
        yield EMPTY_FRAMES
    if frame.time is not None:
        yield "time"
    if not np.array_equal(poses.estimator_scores, poses.scores, equal_nan=True):
        yield "score_raw"
    if not frame.kept.all():
        yield "kept"
    for attribute, name in OPTIONAL.items():
        if len(poses) and getattr(poses, attribute) is not None:
            yield name


def format_of(path: Path) -> str:
    """Return the format of a file or folder, by its content.

    Raises:
        DatasetError: it is missing.
    """
    if not path.exists():
        raise DatasetError(f"no such file or folder: {path}; check the path")
    if path.is_dir():
        is_parquet = (path / POSES).is_dir() or any(path.glob("*.parquet"))
        return PARQUET if is_parquet else OPENPOSE
    if path.suffix.lower() == ".parquet":
        return PARQUET
    return JSONL if is_recording(path) else COCO


def format_to(path: Path) -> str:
    """Return the format that the name of an output stands for.

    >>> format_to(Path("a.parquet")), format_to(Path("a.jsonl.gz")), format_to(Path("a.json"))
    ('parquet', 'jsonl', 'coco')

    Raises:
        OutputError: it may be any.
    """
    name = path.name.lower().removesuffix(".gz")
    for suffix, known in ((".parquet", PARQUET), (".jsonl", JSONL), (".json", COCO)):
        if name.endswith(suffix):
            return known
    raise OutputError(
        f"{path}: which format? Give a name that ends in .parquet, .jsonl or .json (COCO results), "
        "or say --to parquet or --to openpose for a folder"
    )
