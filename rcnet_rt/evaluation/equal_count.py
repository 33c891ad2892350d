"""Raw and refined scores side by side, each keeping the same number of poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.metrics import TRUE_POSITIVE

__all__ = ["EqualCount", "keep_equal_count"]

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EqualCount:
    """Which of N poses raw and refined scores keep, the same number each.

    Attributes:
        oks: (N,) matched OKS.
        raw: (N,) whether the raw scores keep the pose.
        refined: (N,) whether the refined scores keep it.
        raw_ranks: (N,) rank by raw score, from 1; the raw scores keep ranks up to `count`.
        refined_ranks: (N,) rank by refined score.
    """

    oks: npt.NDArray[np.float64]
    raw: Booleans
    refined: Booleans
    raw_ranks: Integers
    refined_ranks: Integers

    @property
    def true(self) -> Booleans:
        """(N,) whether the pose is a true positive."""
        return self.oks >= TRUE_POSITIVE

    @property
    def count(self) -> int:
        """Number of poses that each keeps."""
        return int(self.refined.sum())

    @property
    def false_raw(self) -> int:
        """Number of false positives that the raw scores keep."""
        return int((self.raw & ~self.true).sum())

    @property
    def false_refined(self) -> int:
        """Number of false positives that the refined scores keep."""
        return int((self.refined & ~self.true).sum())

    @property
    def raw_only(self) -> Booleans:
        """(N,) whether only the raw scores keep the pose; as many as `refined_only`."""
        return self.raw & ~self.refined

    @property
    def refined_only(self) -> Booleans:
        """(N,) whether only the refined scores keep the pose."""
        return self.refined & ~self.raw


def keep_equal_count(
    raw: npt.ArrayLike, refined: npt.ArrayLike, oks: npt.ArrayLike, threshold: float
) -> EqualCount:
    """Keep refined scores from a threshold on, and as many of the highest raw scores.

    Args:
        raw: (N,) raw scores; of equal ones the earlier is kept first.
        refined: (N,) refined scores.
        oks: (N,) matched OKS.
        threshold: of the refined scores.

    >>> kept = keep_equal_count([0.9, 0.6, 0.5], [0.8, 0.2, 0.7], [0.9, 0.1, 0.8], threshold=0.5)
    >>> kept.raw.tolist(), kept.refined.tolist(), kept.false_raw, kept.false_refined
    ([True, True, False], [True, False, True], 1, 0)
    """
    raw_ranks, refined_ranks = _ranks(raw), _ranks(refined)
    kept = np.asarray(refined, np.float64) >= threshold
    return EqualCount(
        np.asarray(oks, np.float64), raw_ranks <= kept.sum(), kept, raw_ranks, refined_ranks
    )


def _ranks(scores: npt.ArrayLike) -> Integers:
    """(N,) rank of each score, the highest first, from 1; of equal ones the earlier first."""
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks
