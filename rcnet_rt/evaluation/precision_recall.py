"""Precision-recall curves of ranked poses, as COCO draws them, with a weight for each image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["Metrics", "Ranking"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Metrics:
    """COCO's ten keypoint figures, in [0, 1]; -1 where no person counts (COCO's convention)."""

    ap: float
    ap50: float
    ap75: float
    ap_medium: float
    ap_large: float
    ar: float
    ar50: float
    ar75: float
    ar_medium: float
    ar_large: float


@dataclass(frozen=True, eq=False)
class _Level:
    """Where the right poses of one threshold are, and what stands before each.

    Attributes:
        right: (R,) places of the right poses.
        others: (S,) places of poses that count at this threshold, but not at all of them.
        before: (R,) how many of `others` stand before each right pose or at its place.
    """

    right: Integers
    others: Integers
    before: Integers

    @classmethod
    def of(cls, right: Booleans, others: Booleans) -> _Level:
        """Return the level of (D,) right poses and poses that do not count at all thresholds."""
        places, sparse = np.flatnonzero(right), np.flatnonzero(others)
        return cls(places, sparse, np.searchsorted(sparse, places, side="right"))

    def curve(self, counted: Floats, always: Floats) -> tuple[Floats, Floats]:
        """Return (R,) interpolated precision and how many are right, at each right pose.

        Args:
            counted: (D,) how often each pose counts.
            always: (D,) the sum of those that count at all thresholds, up to each.
        """
        right = np.cumsum(counted[self.right])
        others = np.cumsum(np.append(0.0, counted[self.others]))
        precise = right / (always[self.right] + others[self.before] + np.spacing(1.0))
        return np.maximum.accumulate(precise[::-1])[::-1], right


@dataclass(frozen=True, eq=False)
class Ranking:
    """D poses by descending score, judged in A area ranges at T thresholds, over I images."""

    right: Booleans  # (A, T, D)
    wrong: Booleans  # (A, T, D); a pose that is neither does not count
    image: Integers  # (D,) index
    people: Integers  # (A, I) how many count

    @cached_property
    def _always(self) -> Booleans:
        """(A, D) whether a pose counts at all thresholds, as most do."""
        return np.asarray((self.right | self.wrong).all(axis=1))

    @cached_property
    def _levels(self) -> list[list[_Level]]:
        """The T levels of each area range: found once, for any number of resamples."""
        others = (self.right | self.wrong) & ~self._always[:, None]
        return [
            [_Level.of(*level) for level in zip(*area, strict=True)]
            for area in zip(self.right, others, strict=True)
        ]

    def over(self, images: Booleans) -> Ranking:
        """Return the ranking of the poses on some of the (I,) images; the others keep weight 0."""
        inside = images[self.image]
        right, wrong = self.right[..., inside], self.wrong[..., inside]
        return Ranking(right, wrong, self.image[inside], self.people)

    def curves(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return (A, T, 101) precision and (A, T) recall, each image counting `weights` times.

        A pose that counts n times is n equal scores in a row; its right copies raise precision and
        its wrong ones lower it, so only the end of the row shows in the interpolated curve. Nor
        does a wrong pose show, but in the precision of the right ones after it.
        """
        people = self.people @ weights
        shape = self.right.shape[:2]
        precision, recall = np.zeros((*shape, len(RECALLS))), np.zeros(shape)
        counted = weights[self.image]
        for area, levels in enumerate(self._levels):
            always = np.cumsum(counted * self._always[area])
            for threshold, level in enumerate(levels):
                if people[area] == 0:
                    precision[area, threshold], recall[area, threshold] = -1, -1
                elif len(level.right):
                    best, right = level.curve(counted, always)
                    places = np.searchsorted(right / people[area], RECALLS, side="left")
                    reached = places < len(right)
                    precision[area, threshold, reached] = best[places[reached]]
                    recall[area, threshold] = right[-1] / people[area]
        return precision, recall

    def ap(self, weights: Floats) -> float:
        """Return the AP of the first area range, each image counting `weights` times."""
        return _mean(self.curves(weights)[0][0])

    def metrics(self, weights: Floats) -> Metrics:
        """Return COCO's ten figures; the area ranges must be all, medium and large."""
        precision, recall = self.curves(weights)
        return Metrics(*_summary(precision), *_summary(recall))


def _summary(values: Floats) -> tuple[float, ...]:
    """Return the means of all, at .50 and at .75, and those of medium and large people."""
    everybody, medium, large = values
    return tuple(_mean(part) for part in (everybody, everybody[0], everybody[5], medium, large))


def _mean(values: Floats) -> float:
    """Return COCO's mean: -1 where nothing counts."""
    return float(values.mean()) if values.size and values.flat[0] > -1 else -1.0
