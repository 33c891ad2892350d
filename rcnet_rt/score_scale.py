"""How high a pose stands among all poses of its estimator, whatever its scores mean.

Scores of different estimators cannot be compared: probabilities, sums over joints, logits. Their
standing can: how many poses a picture holds, on average, that score at least this. Any increasing
change of the scores leaves it as it is, and so does a tail of junk, however long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.arrays import Array, namespace
from rcnet_rt.errors import PosesError

__all__ = ["ScoreScale", "standing_alone"]

# Of a score s in [0, 1] that is all there is to go by; measured, see `standing_alone`.
AT_ONE_HALF = 1.0  # poses a picture that score at least 0.5
LEAST = 1e-4  # scores in [0, 1] are told from 0 and from 1 down to this


@dataclass(frozen=True, eq=False)
class ScoreScale:
    """The scores of one estimator that a new score is compared with.

    `refine` remembers nothing from frame to frame; this is what a caller passes who has seen more
    of the estimator than one frame. It never changes: build another to take in more frames.

    Attributes:
        scores: (M,) reference scores, increasing.
        standings: (M,) poses per picture that score at least this, decreasing, above 0.

    >>> scale = ScoreScale.of([np.array([900.0, 100.0]), np.array([500.0])])
    >>> scale.standing(np.array([900.0, 500.0, 100.0])).round(6).tolist()
    [0.25, 0.75, 1.25]

    Raises:
        PosesError: reference scores that do not increase, or standings that do not decrease.
    """

    scores: npt.NDArray[np.float64]
    standings: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("scores", "standings"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
        shapes = self.scores.shape, self.standings.shape
        if self.scores.ndim != 1 or len(self.scores) == 0 or shapes[0] != shapes[1]:
            raise PosesError(f"a score scale needs as many scores as standings, got {shapes}")
        fits = (np.diff(self.scores) > 0).all() and (np.diff(self.standings) < 0).all()
        if not (fits and np.isfinite(self.scores).all() and self.standings[-1] > 0):
            raise PosesError("a score scale needs increasing scores and decreasing standings")

    @classmethod
    def of(cls, pictures: Sequence[npt.ArrayLike], knots: int | None = None) -> ScoreScale:
        """Return the scale of an estimator by its scores on some pictures.

        Args:
            pictures: the scores (N,) of each picture, all that the estimator gave; pictures without
                poses count. Scores that are not finite are left out.
            knots: keep about this many reference scores, evenly by log standing; None keeps all.
        """
        parts = [np.asarray(scores, dtype=np.float64).ravel() for scores in pictures]
        joined = np.concatenate([*parts, np.zeros(0)])
        values, counts = np.unique(joined[np.isfinite(joined)], return_counts=True)
        if len(values) == 0:  # nothing to compare with: any constant will do
            return cls(np.zeros(1), np.ones(1))
        at_least = np.cumsum(counts[::-1])[::-1]
        standings = (at_least - 0.5) / len(parts)
        if knots is None or len(values) <= knots:
            return cls(values, standings)
        levels = np.geomspace(standings[-1], standings[0], knots)
        chosen = np.unique(np.searchsorted(-standings, -levels).clip(0, len(values) - 1))
        return cls(values[chosen], standings[chosen])

    def standing(self, scores: Array) -> Array:
        """Return (N,) poses per picture that score at least this; NumPy or torch, finite scores.

        It falls strictly as the score rises: log standing is linear between reference scores and
        goes on beyond them, ever more slowly.
        """
        xp = namespace(scores)
        known, logs = _knots(self, None if xp is np else scores.device)
        values = scores.astype(np.float64) if xp is np else scores.double()
        after = xp.searchsorted(known, values)
        left = xp.clip(after - 1, 0, len(self.scores) - 1)
        right = xp.clip(after, 0, len(self.scores) - 1)
        width = known[right] - known[left]
        share = xp.clip((values - known[left]) / xp.where(width > 0, width, 1.0), 0, 1)
        inside = logs[left] * (1 - share) + logs[right] * share
        below = xp.log1p(self._slope * xp.clip(self.scores[0] - values, 0, None))
        above = xp.log1p(self._slope * xp.clip(values - self.scores[-1], 0, None))
        standing = xp.exp(inside + below - above)
        return standing if xp is np else standing.to(scores.dtype)

    @property
    def _slope(self) -> float:
        """How fast log standing falls, on the whole, with the score."""
        if len(self.scores) == 1:
            return 1 / max(abs(float(self.scores[0])), 1.0)
        fall = float(np.log(self.standings[0] / self.standings[-1]))
        return fall / float(self.scores[-1] - self.scores[0])


@lru_cache(maxsize=16)
def _knots(scale: ScoreScale, device: Any) -> tuple[Array, Array]:
    """Return reference scores and log standings where the scores are: copied to a GPU only once."""
    knots = scale.scores, np.log(scale.standings)
    if device is None:
        return knots
    import torch

    score, log = (torch.as_tensor(array, device=device) for array in knots)
    return score, log


def standing_alone(scores: Array) -> Array:
    """Return (N,) standings by the scores themselves, where nothing else is known of the estimator.

    Those of scores in (0, 1) are their odds: (1 - s) / s. The rule is the same for every pose,
    falls strictly over all finite scores, and is gentle beyond [0, 1], so that frames refined one
    by one stay comparable with each other.
    """
    xp = namespace(scores)
    inside = xp.log(xp.clip(1 - scores, LEAST, None)) - xp.log(xp.clip(scores, LEAST, None))
    below = xp.log1p(xp.clip(LEAST - scores, 0, None))
    return AT_ONE_HALF * xp.exp(inside + below)
