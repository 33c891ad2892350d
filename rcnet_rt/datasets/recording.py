"""Our JSON Lines of any length, to be written again with other scores; a frame at a time."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.datasets import jsonl
from rcnet_rt.datasets.files import atomic_text
from rcnet_rt.datasets.pose_objects import joint_estimates_of
from rcnet_rt.poses.fields import INPUTS
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.inputs import packs
from rcnet_rt.rescoring.score_convention import ScoreConvention

__all__ = ["Recording", "open_recording"]

BLOCK = 20_000  # poses

Refine = Callable[[Iterator[Poses]], Iterable[Poses]]
Line = dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """A recording that was read once, see `open_recording`; each method reads it again.

    Attributes:
        path: of the file.
        image_count: how many frames it has.
        pose_count: how many poses.
        score_convention: of the raw scores.
    """

    path: Path
    image_count: int
    pose_count: int
    score_convention: ScoreConvention

    def pooled(self) -> Iterator[Poses]:
        """Yield all poses with their raw scores in large blocks, those of many frames together."""
        return _pooled(_images(self.path))

    def write(self, path: Path, refine: Refine, *, threshold: float, weights: str) -> None:
        """Write the same lines with other `score` and `kept`, and the header that goes with them.

        Joint estimates are added where the refined poses have them. The file is written whole or
        not at all.

        Args:
            path: gzipped where the name ends in .gz; may be the recording itself.
            refine: takes the poses of the frames one after another, and yields them in the same
                order with other scores; it may wait for some before it yields the first.
            threshold: refined score from which a pose is kept.
            weights: name of what refined them.

        Raises:
            OutputError: it cannot be written.
        """
        waiting: deque[tuple[Line, bool]] = deque()  # lines, and whether they are frames

        def images() -> Iterator[Poses]:
            for line, frame in jsonl.read_with_lines(self.path)[1]:
                waiting.append((line, frame is not None))
                if frame is not None:
                    yield frame.poses

        def lines() -> Iterator[Line]:
            for poses in refine(images()):
                while not waiting[0][1]:
                    yield waiting.popleft()[0]
                line, _ = waiting.popleft()
                pairs = zip(line["poses"], poses, strict=True)
                yield {**line, "poses": [_refined(*pair, threshold) for pair in pairs]}
            yield from (line for line, _ in waiting)  # events after the last frame

        with atomic_text(path, "backslashreplace") as file:
            for number, line in enumerate(lines()):
                header = {} if number else {"weights": weights, "threshold": threshold}
                file.write(json.dumps(line | header, ensure_ascii=False) + "\n")


def _refined(recorded: Line, pose: Poses, threshold: float) -> Line:
    """Return a recorded pose with the score and the joint estimates of its refined pose."""
    score = float(pose.scores[0])
    return {**recorded, "score": score, "kept": score >= threshold, **joint_estimates_of(pose, 0)}


def open_recording(path: Path) -> Recording:
    """Read what `rcnet-rt run --json` wrote.

    Raises:
        DatasetError: it is damaged.
    """
    image_count = pose_count = 0

    def counted() -> Iterator[Poses]:
        nonlocal image_count, pose_count
        for poses in _images(path):
            image_count += 1
            pose_count += len(poses)
            yield poses

    convention = ScoreConvention.of(_pooled(counted()))
    return Recording(path, image_count, pose_count, convention)


def _images(path: Path) -> Iterator[Poses]:
    return (frame.poses for frame in jsonl.read(path)[1])


def _pooled(images: Iterable[Poses]) -> Iterator[Poses]:
    for some in packs((poses for poses in images if len(poses)), BLOCK):
        columns = {field.name: [getattr(poses, field.name) for poses in some] for field in INPUTS}
        arrays: dict[str, Any] = {
            name: np.concatenate(values)
            for name, values in columns.items()
            if values[0] is not None
        }
        yield Poses(**arrays)
