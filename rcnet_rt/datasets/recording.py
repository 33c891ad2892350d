"""Our JSON Lines as a whole file, to be written again with other scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rcnet_rt.datasets import jsonl
from rcnet_rt.datasets.files import write_bytes
from rcnet_rt.datasets.pose_objects import joint_estimates_of
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["Recording", "read_recording"]


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording as it stands, and its poses with their raw scores.

    Attributes:
        lines: every line: the header, frames and events.
        images: poses of each frame.
        names: file of each frame, or its number.
        skeleton: what the keypoints are.
    """

    lines: list[dict[str, Any]]
    images: list[Poses]
    names: list[str | int]
    skeleton: Skeleton
    kind = "a recording"
    every_frame = True

    def write(self, path: Path, refined: Sequence[Poses], threshold: float, weights: str) -> None:
        """Write the same lines with other `score` and `kept`, and the header that goes with them.

        Joint estimates are added where the refined poses have them.

        Raises:
            OutputError: the file cannot be written.
        """
        images = iter(refined)
        lines = [{**self.lines[0], "weights": weights, "threshold": threshold}]
        for line in self.lines[1:]:
            if "frame" in line:
                pairs = zip(line["poses"], next(images), strict=True)
                line = {**line, "poses": [_refined(*pair, threshold) for pair in pairs]}
            lines.append(line)
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_bytes(path, text.encode("utf-8", "backslashreplace"))


def _refined(recorded: dict[str, Any], pose: Poses, threshold: float) -> dict[str, Any]:
    """Return a recorded pose with the score and the joint estimates of its refined pose."""
    score = float(pose.scores[0])
    return {**recorded, "score": score, "kept": score >= threshold, **joint_estimates_of(pose, 0)}


def read_recording(path: Path) -> Recording:
    """Read what `rcnet-rt run --json` wrote.

    Raises:
        DatasetError: it is damaged.
    """
    header, frames = jsonl.read(path)
    read = list(frames)
    return Recording(
        lines=jsonl.read_objects(path),
        images=[frame.poses for frame in read],
        names=[frame.index if frame.file is None else frame.file for frame in read],
        skeleton=skeletons.get(header.skeleton),
    )
