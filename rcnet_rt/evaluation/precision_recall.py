"""Precision-recall curves of ranked poses by COCO's rules, with a weight for each image."""

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
    """COCO's ten keypoint metrics in [0, 1]; NaN where no person counts (COCO's tools write -1)."""

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
    """Ranks of the true positives at one OKS threshold, and of what is ranked above each.

    Attributes:
        true: (R,) ranks of the true positives.
        others: (S,) ranks of poses that count at this threshold but not at all of them.
        before: (R,) how many of `others` are ranked no lower than each true positive.
    """

    true: Integers
    others: Integers
    before: Integers

    @classmethod
    def of(cls, true: Booleans, others: Booleans) -> _Level:
        """Return the level of (D,) true positives and (D,) poses that count at some thresholds."""
        ranks, sparse = np.flatnonzero(true), np.flatnonzero(others)
        return cls(ranks, sparse, np.searchsorted(sparse, ranks, side="right"))

    def curve(self, counted: Floats, always: Floats) -> tuple[Floats, Floats]:
        """Return (R,) interpolated precision and (R,) cumulative count at each true positive.

        Args:
            counted: (D,) how often each pose counts.
            always: (D,) cumulative count of the poses that count at all thresholds.
        """
        found = np.cumsum(counted[self.true])
        others = np.cumsum(np.append(0.0, counted[self.others]))
        precision = found / (always[self.true] + others[self.before] + np.spacing(1.0))
        return np.maximum.accumulate(precision[::-1])[::-1], found


@dataclass(frozen=True, eq=False)
class Ranking:
    """D poses by descending score, matched in A area ranges at T OKS thresholds, over I images."""

    true: Booleans  # (A, T, D)
    false: Booleans  # (A, T, D); a pose that is neither is ignored
    image: Integers  # (D,) index of the image
    people: Integers  # (A, I) number of people that count

    @cached_property
    def _always(self) -> Booleans:
        """(A, D) whether a pose counts at all thresholds, as most poses do."""
        return np.asarray((self.true | self.false).all(axis=1))

    @cached_property
    def _levels(self) -> list[list[_Level]]:
        """The T levels of each area range, computed once for all resamples."""
        others = (self.true | self.false) & ~self._always[:, None]
        return [
            [_Level.of(*level) for level in zip(*area, strict=True)]
            for area in zip(self.true, others, strict=True)
        ]

    def over(self, images: Booleans) -> Ranking:
        """Return the ranking of the poses on an (I,) subset of the images; others need weight 0."""
        inside = images[self.image]
        true, false = self.true[..., inside], self.false[..., inside]
        return Ranking(true, false, self.image[inside], self.people)

    def curves(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return (A, T, 101) precision and (A, T) recall, each image counting `weights` times.

        A pose of weight n stands for n poses of equal score, so the interpolated curve depends only
        on the precision after the last of them. False positives matter only through the precision
        at the true positives after them. NaN where no person counts.
        """
        people = self.people @ weights
        shape = self.true.shape[:2]
        precision, recall = np.zeros((*shape, len(RECALLS))), np.zeros(shape)
        counted = weights[self.image]
        for area, levels in enumerate(self._levels):
            always = np.cumsum(counted * self._always[area])
            for threshold, level in enumerate(levels):
                if people[area] == 0:
                    precision[area, threshold], recall[area, threshold] = np.nan, np.nan
                elif len(level.true):
                    best, found = level.curve(counted, always)
                    places = np.searchsorted(found / people[area], RECALLS, side="left")
                    reached = places < len(found)
                    precision[area, threshold, reached] = best[places[reached]]
                    recall[area, threshold] = found[-1] / people[area]
        return precision, recall

    def ap(self, weights: Floats) -> float:
        """Return the AP of the first area range, each image counting `weights` times."""
        return float(self.curves(weights)[0][0].mean())

    def metrics(self, weights: Floats) -> Metrics:
        """Return COCO's ten metrics; the area ranges must be all, medium and large."""
        precision, recall = self.curves(weights)
        return Metrics(*_summary(precision), *_summary(recall))


def _summary(values: Floats) -> tuple[float, ...]:
    """Return the means over all thresholds, at .50 and .75, and for medium and large people."""
    everybody, medium, large = values
    return tuple(
        float(part.mean()) for part in (everybody, everybody[0], everybody[5], medium, large)
    )
