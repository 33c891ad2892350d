"""The expected rank of a score among the scores of its estimator, whatever they mean.

Scores of different estimators cannot be compared: probabilities, sums over joints, logits. Their
expected rank can: how many poses an image holds, on average, that score at least this. It does not
change under any increasing map of the scores, nor with the length of the tail of low scores.

Scores also differ in what they contain: some are a detector's alone, some include the joint scores
already, and adding these once more makes them worse. The correlation of the scores with the joint
scores tells the two apart, without any label.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import PosesError
from rcnet_rt.poses.arrays import Array, namespace
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.constants import (
    CONFIDENT,
    MIN_SCORE,
    RANK_AT_ONE_HALF,
    UNKNOWN_CORRELATION,
)

__all__ = ["ScoreReference", "expected_rank_alone"]

Floats = npt.NDArray[np.float64]

TOP_RANK = 2.0  # the correlation is that of poses of a lower expected rank: those that may be right
MIN_POSES = 30  # fewer such poses give no correlation


@dataclass(frozen=True, eq=False)
class ScoreReference:
    """The scores of one estimator that a new score is compared with.

    `refine` remembers nothing from frame to frame; this is what a caller passes who has seen more
    of the estimator than one frame. It never changes: build another to take in more frames.

    Attributes:
        scores: (M,) reference scores, increasing.
        expected_ranks: (M,) poses per image that score at least this, decreasing, above 0.
        joint_correlation: how much of the joints' confidence the scores contain already, in [0, 1]:
            the correlation of their rank with the mean joint score (0 where not found) or with the
            mean of those above 0.2, whichever is higher, among the poses of highest rank.

    >>> images = [Poses(np.ones((2, 17, 2)), [900, 100]), Poses(np.ones((1, 17, 2)), [500])]
    >>> scale = ScoreReference.of(images)
    >>> scale.expected_rank(np.array([900.0, 500.0, 100.0])).round(6).tolist()
    [0.25, 0.75, 1.25]

    Raises:
        PosesError: reference scores that do not increase, or expected ranks that do not decrease.
    """

    scores: Floats
    expected_ranks: Floats
    joint_correlation: float = UNKNOWN_CORRELATION

    def __post_init__(self) -> None:
        for name in ("scores", "expected_ranks"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
        shapes = self.scores.shape, self.expected_ranks.shape
        if self.scores.ndim != 1 or len(self.scores) == 0 or shapes[0] != shapes[1]:
            raise PosesError(
                f"a score reference needs as many scores as expected ranks, got {shapes}"
            )
        ordered = (np.diff(self.scores) > 0).all() and (np.diff(self.expected_ranks) < 0).all()
        finite = np.isfinite(self.scores).all() and np.isfinite(self.expected_ranks).all()
        if not (
            ordered and finite and self.expected_ranks[-1] > 0 and 0 <= self.joint_correlation <= 1
        ):
            raise PosesError(
                "a score reference needs increasing scores, decreasing expected ranks above 0 and "
                "a joint correlation in [0, 1], got "
                f"{self.scores}, {self.expected_ranks} and {self.joint_correlation}"
            )

    @classmethod
    def of(
        cls, images: Iterable[Poses], knots: int | None = None, *, count: int | None = None
    ) -> ScoreReference:
        """Return the scale of an estimator by its poses in some images.

        Args:
            images: all that the estimator gave; images without poses count. Its own scores are
                read, refined or not. Poses with a score that is not finite are left out.
            count: how many images these are, if `images` has the poses of several in one.
            knots: keep about this many reference scores, evenly by log standing; None keeps all.
        """
        if count is None:
            images = list(images)
            count = len(images)
        scores, sure = _columns(images)
        values, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
        if len(values) == 0:  # nothing to compare with: any constant will do
            return cls(np.zeros(1), np.ones(1))
        clip_low = np.cumsum(counts[::-1])[::-1]
        expected_ranks = (clip_low - 0.5) / count
        joint_correlation = _joint_correlation(expected_ranks[place], sure)
        if knots is None or len(values) <= knots:
            return cls(values, expected_ranks, joint_correlation)
        levels = np.geomspace(expected_ranks[-1], expected_ranks[0], knots)
        chosen = np.unique(np.searchsorted(-expected_ranks, -levels).clip(0, len(values) - 1))
        return cls(values[chosen], expected_ranks[chosen], joint_correlation)

    def expected_rank(self, scores: Array) -> Array:
        """Return (N,) poses per image that score at least this; NumPy or torch, finite scores.

        It falls strictly as the score rises: log standing is linear between reference scores and
        goes on beyond them, ever more slowly.
        """
        xp = namespace(scores)
        known, logs = _knots(self, None if xp is np else scores.device)
        values = scores.astype(np.float64) if xp is np else scores.double().contiguous()
        after = xp.searchsorted(known, values)
        left = xp.clip(after - 1, 0, len(self.scores) - 1)
        right = xp.clip(after, 0, len(self.scores) - 1)
        width = known[right] - known[left]
        share = xp.clip((values - known[left]) / xp.where(width > 0, width, 1.0), 0, 1)
        inside = logs[left] * (1 - share) + logs[right] * share
        slope, lowest, highest = self._slope, float(self.scores[0]), float(self.scores[-1])
        below = xp.log1p(slope * xp.clip(lowest - values, 0, None))
        above = xp.log1p(slope * xp.clip(values - highest, 0, None))
        expected_rank = xp.exp(inside + below - above)
        return expected_rank if xp is np else expected_rank.to(scores.dtype)

    @property
    def _slope(self) -> float:
        """How fast log standing falls, on the whole, with the score."""
        if len(self.scores) == 1:
            return 1 / max(abs(float(self.scores[0])), 1.0)
        fall = float(np.log(self.expected_ranks[0] / self.expected_ranks[-1]))
        return fall / float(self.scores[-1] - self.scores[0])


def _columns(images: Iterable[Poses]) -> tuple[Floats, Floats]:
    """Raw scores (P,) and confidence in the joints (P, 2) of all poses with finite numbers."""
    scores: list[Floats] = [np.zeros(0)]
    sure: list[Floats] = [np.zeros((0, 2))]
    for poses in images:
        raw = poses.estimator_scores
        found = ~np.isnan(poses.keypoints).any(axis=2)
        known = found if poses.keypoint_scores is None else poses.keypoint_scores
        scores.append(raw.astype(np.float64))
        sure.append(_sure(np.where(found, known, 0.0).astype(np.float64)))
    joined, confidence = np.concatenate(scores), np.concatenate(sure)
    finite = np.isfinite(joined) & np.isfinite(confidence).all(axis=1)
    return joined[finite], confidence[finite]


def _sure(joints: Floats) -> Floats:
    """(P, 2) what estimators make of joint scores (P, K): mean, and mean of those above 0.2."""
    confident = joints > CONFIDENT
    total = np.where(confident, joints, 0.0).sum(axis=1)
    mean = joints.sum(axis=1) / max(joints.shape[1], 1)
    return np.stack([mean, total / np.maximum(confident.sum(axis=1), 1)], axis=1)


def _joint_correlation(expected_ranks: Floats, sure: Floats) -> float:
    top = expected_ranks < TOP_RANK
    if top.sum() < MIN_POSES or np.ptp(expected_ranks[top]) == 0:
        return UNKNOWN_CORRELATION
    heard = [
        float(np.corrcoef(-expected_ranks[top], column)[0, 1])
        for column in sure[top].T
        if np.ptp(column) > 1e-6
    ]
    return float(np.clip(max(heard), 0, 1)) if heard else UNKNOWN_CORRELATION


@lru_cache(maxsize=16)
def _knots(reference: ScoreReference, device: Any) -> tuple[Array, Array]:
    """Return reference scores and log expected ranks on the device; copied to a GPU only once."""
    knots = reference.scores, np.log(reference.expected_ranks)
    if device is None:
        return knots
    import torch

    score, log = (torch.as_tensor(array, device=device) for array in knots)
    return score, log


def expected_rank_alone(scores: Array) -> Array:
    """Return (N,) expected ranks by the scores alone, without a reference.

    The rule is the same for every pose, so that frames refined one by one stay comparable, and
    falls strictly over all finite scores: by the odds up to 0.9, then e² for each 1, and beyond 3
    and below 0 ever more slowly, so that no score in whatever unit drowns all others.
    """
    xp = namespace(scores)
    small = xp.log(xp.clip(scores, MIN_SCORE, 0.9)) - xp.log(1 - xp.clip(scores, MIN_SCORE, 0.9))
    steady = 2 * (xp.clip(scores, 0.9, 3) - 0.9)
    large = 0.5 * xp.log(xp.clip(scores, 3, None) / 3)
    below = xp.log1p(xp.clip(MIN_SCORE - scores, 0, None))
    return RANK_AT_ONE_HALF * xp.exp(below - small - steady - large)
