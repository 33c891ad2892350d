"""A video's poses, estimated once, with who is who: the ground on which all ways are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rcnet_rt.estimators import Estimator
from rcnet_rt.poses.frame import Frame
from rcnet_rt.poses.poses import Poses
from rcnet_rt.temporal.tracking import ByteTrack
from rcnet_rt.video.source import open_source

__all__ = ["Recording", "Shown", "record"]

Shown = Sequence[np.ndarray]  # a frame each, (N,) booleans: who is kept


@dataclass(frozen=True)
class Recording:
    """What one video shows.

    Attributes:
        name: of the file.
        times: (T,) seconds.
        poses: refined, a frame each.
        names: (N,) a frame each: who is who, the same for every way that is compared. Here, unlike
            in use, every pose starts a track, so that no way of scoring has its say in it.
    """

    name: str
    times: list[float]
    poses: list[Poses]
    names: list[np.ndarray]

    def first(self, count: int) -> Recording:
        """Return the first frames alone."""
        return Recording(self.name, self.times[:count], self.poses[:count], self.names[:count])

    def lines(self, shown: Shown) -> dict[int, np.ndarray]:
        """Return for each person (L,) booleans: kept or not, from the first sight to the last.

        A frame in which the estimator did not find the person counts as not kept.
        """
        lines: dict[int, list[bool]] = {}
        last: dict[int, int] = {}
        for frame, (names, kept) in enumerate(zip(self.names, shown, strict=True)):
            for name, is_kept in zip(names.tolist(), kept.tolist(), strict=True):
                line = lines.setdefault(name, [])
                line.extend([False] * (frame - last.get(name, frame - 1) - 1))
                line.append(is_kept)
                last[name] = frame
        return {name: np.array(line) for name, line in lines.items()}


def record(path: Path, estimator: Estimator, refine: Callable[[Poses], Poses]) -> Recording:
    """Estimate and refine every frame of a video."""
    follow = ByteTrack(least=0.0)
    result = Recording(path.name, [], [], [])
    with open_source(path) as source:
        for frame in source:
            assert isinstance(frame, Frame)
            assert frame.time_seconds is not None
            poses = refine(estimator.estimate(frame.image_bgr))
            names = follow(poses, frame.time_seconds).track_ids
            assert names is not None
            result.times.append(frame.time_seconds)
            result.poses.append(poses)
            result.names.append(names)
    return result
