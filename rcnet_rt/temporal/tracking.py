"""Tracking: a tracker gives the poses of each frame their `track_ids`.

follow = ByteTrack(least=0.2)  # one for each video
poses = follow(poses, time)

`temporal.smoothing` and `temporal.hysteresis` read the ids. Poses that have ids already need no
tracker.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import BackendError, PosesError, missing_package
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.batch import poses_to_batch

__all__ = ["LOST_AFTER", "UNTRACKED", "ByteTrack", "Tracker", "followed"]

UNTRACKED = -1  # the id of a pose that belongs to no track
LOST_AFTER = 1.0  # seconds unseen until a track is over: ByteTrack's own rule
TRACKER_RATE = 30  # frames a second that the tracker's own settings are written for
MIN_STEP = 1e-6  # seconds; the tracker takes no time twice


class Tracker(Protocol):
    """Follows people over frames; it has state, so each video needs its own."""

    def __call__(self, poses: Poses, time: float) -> Poses:
        """Return the same poses with `track_ids`, -1 for a pose that belongs to no track.

        Args:
            poses: the frame's, in any order.
            time: of the frame in seconds, from any zero.
        """
        ...


class ByteTrack:
    """ByteTrack (Zhang et al., ECCV 2022) as kept in roboflow's `trackers`: boxes, by IoU.

    It knows seconds, so the frame rate may vary. A pose has its id from its first frame on.

    Args:
        least: score from which a pose starts a track; a lower one only goes on with one that no
            better pose claims.

    Raises:
        BackendError: `trackers` is not installed.
    """

    def __init__(self, least: float) -> None:
        try:
            from trackers import ByteTrackTracker
        except ImportError as error:
            raise BackendError(missing_package("trackers", "Tracks", "rcnet-rt[track]")) from error
        self._tracker = ByteTrackTracker(
            lost_track_buffer=round(LOST_AFTER * TRACKER_RATE),
            frame_rate=TRACKER_RATE,
            track_activation_threshold=least,
            high_conf_det_threshold=least,
            minimum_consecutive_frames=1,
        )
        self._ids = itertools.count()
        self._time = -math.inf

    def __call__(self, poses: Poses, time: float) -> Poses:
        """Return the same poses with `track_ids`; faulty poses get none.

        Raises:
            PosesError: a time that is not finite.
        """
        self._time = max(seconds(time), self._time + MIN_STEP)
        packed = poses_to_batch(poses)
        rows = np.flatnonzero(~packed.faulty)
        boxes = packed.boxes[rows]
        ids = np.full(len(poses), UNTRACKED)
        ids[rows] = self._update(boxes, packed.scores[rows])
        return replace(poses, track_ids=ids)

    def _update(
        self, boxes: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.int64]:
        """Return the ids of (N, 4) boxes. Unlike `trackers`, from the first frame on."""
        import supervision as sv

        found = sv.Detections(boxes, confidence=scores, data={"row": np.arange(len(boxes))})
        tracked: Any = self._tracker.update(found, timestamp=self._time)
        ids = np.full(len(boxes), UNTRACKED)
        if len(tracked):
            ids[tracked.data["row"]] = tracked.tracker_id
        for tracklet in self._tracker.tracks:
            if tracklet.tracker_id == UNTRACKED:
                tracklet.tracker_id = next(self._ids)
                distance = np.abs(boxes - tracklet.get_state_bbox()).sum(axis=1)
                ids[np.where(ids == UNTRACKED, distance, np.inf).argmin()] = tracklet.tracker_id
        return ids


def followed(poses: Poses) -> npt.NDArray[np.intp]:
    """Return the rows of the poses that belong to a track; none where there are no ids.

    Raises:
        PosesError: one track has two poses.

    >>> followed(Poses(np.zeros((3, 17, 2)), np.ones(3), track_ids=[4, -1, 0])).tolist()
    [0, 2]
    """
    if poses.track_ids is None:
        return np.zeros(0, dtype=np.intp)
    rows = np.flatnonzero(poses.track_ids >= 0)
    ids = poses.track_ids[rows].tolist()
    if len(set(ids)) < len(ids):
        raise PosesError(
            f"track_ids: two poses of one frame have the id {max(ids, key=ids.count)}; "
            "a person has one pose a frame, and -1 stands for no track"
        )
    return rows


def seconds(time: float) -> float:
    """Return a frame's time as a plain number.

    Raises:
        PosesError: it is not finite.
    """
    if not math.isfinite(time):
        raise PosesError(f"time: expected seconds, got {time}")
    return float(time)
