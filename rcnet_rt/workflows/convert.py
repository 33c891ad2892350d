"""Results in one format to another, in flat memory; what the other cannot hold is told."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from rcnet_rt.datasets.conversion.formats import contents, format_of, format_to, holds
from rcnet_rt.datasets.conversion.readers import open_frames
from rcnet_rt.datasets.conversion.writers import open_output
from rcnet_rt.errors import DatasetError

__all__ = ["Converted", "convert"]


@dataclass(frozen=True)
class Converted:
    """What was converted.

    Attributes:
        path: the output.
        frames: how many frames were read.
        poses: how many poses are in them.
        source_format: name of the input's format.
        target_format: name of the output's format.
        lost: fields of the input that the output cannot hold, sorted.
    """

    path: Path
    frames: int
    poses: int
    source_format: str
    target_format: str
    lost: tuple[str, ...]


def convert(
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    source_format: str | None = None,
    target_format: str | None = None,
) -> Converted:
    """Convert results: Parquet, JSON Lines, COCO results, OpenPose folders.

    Numbers stay to the bit where both formats have them; of COCO results and OpenPose they are
    read as float32.

    Args:
        source: a file, a folder of Parquet, or an OpenPose folder.
        target: what is written, whole or not at all; a folder must be new.
        source_format: "parquet", "jsonl", "coco" or "openpose"; None tells it by the content.
        target_format: None tells it by the name.

    Raises:
        DatasetError: the input is missing, damaged or empty.
        OutputError: the output cannot be written, or the name says no format.
        RcnetError: pyarrow is needed and not installed.
    """
    source, target = Path(source), Path(target)
    read_as = source_format or format_of(source)
    write_as = target_format or format_to(target)
    frame_count = pose_count = 0
    found: set[str] = set()
    with open_frames(source, read_as) as results:
        with open_output(target, write_as, results.provenance) as write:
            for frame in results.frames:
                write(frame)
                frame_count += 1
                pose_count += len(frame.poses)
                found.update(contents(frame))
            if frame_count == 0:
                raise DatasetError(f"{source} holds no frames")
        found |= results.known | results.other_fields
    lost = tuple(sorted(found - holds(write_as, target)))
    return Converted(target, frame_count, pose_count, read_as, write_as, lost)
