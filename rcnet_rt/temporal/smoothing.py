"""Score smoothing: a weighted mean over a person's earlier poses, as far as they agree.

score = ScoreSmoothing()
poses = score(poses, time)  # poses with track_ids, in the order of time

The evidence of a frame is the logit of its refined score. A track carries the mean of its evidence
and how many frames that stands for. When the next pose comes, this weight is multiplied by

    exp(-seconds / memory)   old evidence fades
    agreement                OKS of the pose with the track's last one, moved and scaled box to box:
                             a walking person still agrees, another posture does not

and the frame is taken into the mean with weight 1. So a pose that disagrees stands for itself, as
does the first of a track, and the answer never waits for a later frame.

It is a mean, not a sum: neighbouring frames repeat each other's errors and are no independent
evidence. Thresholds keep their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import PosesError
from rcnet_rt.poses.arrays import logit, sigmoid
from rcnet_rt.poses.boxes import box_areas
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17, Skeleton
from rcnet_rt.rescoring.batch import PoseBatch, poses_to_batch
from rcnet_rt.rescoring.constants import AREA_OF_BOX
from rcnet_rt.temporal.tracking import LOST_AFTER, followed, seconds

__all__ = ["MEMORY", "ScoreSmoothing"]

Floats = npt.NDArray[np.float64]

MIN_CONFIDENCE = 1e-9  # sum of joint scores: two poses without a common joint do not agree
MEMORY = 0.5  # seconds: about a step of a walking person, who stands differently after it


@dataclass(frozen=True, eq=False)
class _Track:
    """What is remembered of a person.

    Attributes:
        shape: (K, 2) the last pose, from its box's middle, in units of sqrt(box area).
        confidence: (K,) scores of its joints, 0 where not found.
        evidence: mean logit.
        weight: frames that it stands for.
        time: seconds, of the last pose.
    """

    shape: Floats
    confidence: Floats
    evidence: float
    weight: float
    time: float


class ScoreSmoothing:
    """Takes the poses of frame after frame; remembers the tracks of the last second.

    Args:
        skeleton: of the poses.
        memory: seconds after which evidence counts 1/e.

    Raises:
        PosesError: a memory that is not above 0.
    """

    def __init__(self, skeleton: Skeleton = COCO17, memory: float = MEMORY) -> None:
        if not memory > 0:
            raise PosesError(f"memory: expected seconds above 0, got {memory}")
        self._memory = memory
        # OKS is exp(-d² / this), with d in units of sqrt(box area).
        self._tolerance = 2 * AREA_OF_BOX * (2 * np.array(skeleton.sigmas)) ** 2
        self._tracks: dict[int, _Track] = {}

    def __len__(self) -> int:
        """Return how many tracks are remembered."""
        return len(self._tracks)

    def __call__(self, poses: Poses, time: float) -> Poses:
        """Return the same poses with scores in [0, 1] that are smoothed along their tracks.

        Args:
            poses: refined poses of one frame. Those without a track, with faulty numbers, or of a
                track that begins here, keep their scores to the bit.
            time: of the frame in seconds; if it jumps by more than a second, tracks begin anew.

        Raises:
            PosesError: poses of another skeleton, two poses of one track, a time that is not
                finite.
        """
        joints = poses.keypoints.shape[1]
        if joints != len(self._tolerance):
            raise PosesError(
                f"expected poses of {len(self._tolerance)} keypoints, got {joints}; "
                "give ScoreSmoothing the skeleton of your poses"
            )
        time, rows = seconds(time), followed(poses)
        self._tracks = {
            name: track
            for name, track in self._tracks.items()
            if abs(time - track.time) <= LOST_AFTER
        }
        if len(rows) == 0:
            return poses.with_scores(poses.scores)
        packed = poses_to_batch(poses)
        return poses.with_scores(self._scores(poses, packed, rows[~packed.faulty[rows]], time))

    def _scores(
        self, poses: Poses, packed: PoseBatch, rows: npt.NDArray[np.intp], time: float
    ) -> npt.NDArray[np.float32]:
        """Return all scores, those of followed rows with their tracks' word; remember the rows."""
        assert poses.track_ids is not None
        names = poses.track_ids[rows].tolist()
        shapes, confidence = _shapes(packed)[rows], np.clip(packed.keypoint_scores[rows], 0, None)
        evidence, weights = logit(packed.scores[rows]), np.zeros(len(rows))
        known = [place for place, name in enumerate(names) if name in self._tracks]
        if known:
            tracks = [self._tracks[names[place]] for place in known]
            before = np.array([track.evidence for track in tracks])
            weights[known] = self._weights(tracks, shapes[known], confidence[known], time)
            share = weights[known] / (weights[known] + 1)
            evidence[known] = share * before + (1 - share) * evidence[known]
        for place, name in enumerate(names):
            self._tracks[name] = _Track(
                shapes[place],
                confidence[place],
                float(evidence[place]),
                float(weights[place]) + 1,
                time,
            )
        scores = poses.scores.copy()
        scores[rows] = np.where(weights > 0, sigmoid(evidence), scores[rows])
        return scores

    def _weights(
        self, tracks: list[_Track], shapes: Floats, confidence: Floats, time: float
    ) -> Floats:
        """Return (T,) frames that the tracks' evidence stands for, seen from their next poses."""
        waited = np.array([max(0.0, time - track.time) for track in tracks])
        past = np.array([track.weight for track in tracks]) * np.exp(-waited / self._memory)
        # The lower confidence of both frames is a joint's weight.
        joints = np.minimum(confidence, np.stack([track.confidence for track in tracks]))
        squares = ((shapes - np.stack([track.shape for track in tracks])) ** 2).sum(axis=2)
        similar = (joints * np.exp(-squares / self._tolerance)).sum(axis=1)
        agreement = similar / np.maximum(joints.sum(axis=1), MIN_CONFIDENCE)
        frames: Floats = past * agreement
        return frames


def _shapes(packed: PoseBatch) -> Floats:
    """Return (N, K, 2) keypoints seen from the middle of their boxes, which is all alignment is."""
    middles = (packed.boxes[:, :2] + packed.boxes[:, 2:]) / 2
    sizes = np.sqrt(np.clip(box_areas(packed.boxes), 1, None))
    shapes: Floats = (packed.keypoints - middles[:, None]) / sizes[:, None, None]
    return shapes
