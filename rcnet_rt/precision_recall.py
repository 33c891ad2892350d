"""Precision-recall curves of ranked poses, as COCO draws them, with a weight for each image."""

from __future__ import annotations

from dataclasses import dataclass

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
class Ranking:
    """D poses by descending score, judged in A area ranges at T thresholds, over I images."""

    right: Booleans  # (A, T, D)
    wrong: Booleans  # (A, T, D); a pose that is neither does not count
    image: Integers  # (D,) index
    people: Integers  # (A, I) how many count

    def curves(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return (A, T, 101) precision and (A, T) recall, each image counting `weights` times.

        A pose that counts n times is n equal scores in a row; its right copies raise precision and
        its wrong ones lower it, so only the end of the row shows in the interpolated curve.
        """
        people = self.people @ weights
        shape = self.right.shape[:2]
        precision, recall = np.zeros((*shape, len(RECALLS))), np.zeros(shape)
        counted = weights[self.image]
        right = np.cumsum(self.right * counted, axis=2)
        wrong = np.cumsum(self.wrong * counted, axis=2)
        precise = right / (right + wrong + np.spacing(1.0))
        best = np.maximum.accumulate(precise[..., ::-1], axis=2)[..., ::-1]
        for area, threshold in np.ndindex(shape):
            if people[area] == 0:
                precision[area], recall[area] = -1, -1
            elif len(counted):
                recalled = right[area, threshold] / people[area]
                places = np.searchsorted(recalled, RECALLS, side="left")
                reached = places < len(recalled)
                precision[area, threshold, reached] = best[area, threshold, places[reached]]
                recall[area, threshold] = recalled[-1]
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
