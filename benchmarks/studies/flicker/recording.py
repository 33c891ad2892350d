"""A video's poses, estimated once, with track ids: all ways are compared on the same."""

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

__all__ = ["Recording", "Kept", "record"]

Kept = Sequence[np.ndarray]  # for each frame, (N,) booleans


@dataclass(frozen=True)
class Recording:
    """The poses of one video.

    Attributes:
        name: of the file.
        times: (T,) seconds.
        poses: refined, for each frame.
        ids: for each frame (N,) track ids, the same for every way that is compared. Here, unlike in
            use, every pose starts a track, so that the ids do not depend on the scores.
    """

    name: str
    times: list[float]
    poses: list[Poses]
    ids: list[np.ndarray]

    def first(self, count: int) -> Recording:
        """Return the first frames alone."""
        return Recording(self.name, self.times[:count], self.poses[:count], self.ids[:count])

    def lines(self, kept_by_frame: Kept) -> dict[int, np.ndarray]:
        """Return for each person (L,) booleans: kept or not, from the first sight to the last.

        A frame in which the estimator did not find the person counts as not kept.
        """
        lines: dict[int, list[bool]] = {}
        last: dict[int, int] = {}
        for frame, (ids, kept) in enumerate(zip(self.ids, kept_by_frame, strict=True)):
            for person, is_kept in zip(ids.tolist(), kept.tolist(), strict=True):
                line = lines.setdefault(person, [])
                line.extend([False] * (frame - last.get(person, frame - 1) - 1))
                line.append(is_kept)
                last[person] = frame
        return {person: np.array(line) for person, line in lines.items()}


def record(path: Path, estimator: Estimator, refine: Callable[[Poses], Poses]) -> Recording:
    """Estimate and refine every frame of a video."""
    track = ByteTrack(least=0.0)
    result = Recording(path.name, [], [], [])
    with open_source(path) as source:
        for frame in source:
            assert isinstance(frame, Frame)
            assert frame.time_seconds is not None
            poses = refine(estimator.estimate(frame.image_bgr))
            ids = track(poses, frame.time_seconds).track_ids
            assert ids is not None
            result.times.append(frame.time_seconds)
            result.poses.append(poses)
            result.ids.append(ids)
    return result
