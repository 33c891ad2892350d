"""The paper's rank loss (definition 1, eq. 8-9): stay near the target, and order every pair."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["absolute_error", "pair_loss", "rank_loss"]


def rank_loss(
    scores: Tensor, targets: Tensor, weights: Tensor | None = None, margin: float = 0.5
) -> Tensor:
    """Return mean |target - score| + mean g(pair) over all pairs of the batch (eq. 8, b' = 2).

    Args:
        scores: (P,) refined scores in [0, 1].
        targets: (P,) matched OKS in [0, 1]; equal targets have no order, their pairs are left out.
        weights: (P,) how much a pose counts; a pair counts by the product. 1 where not given.
        margin: the score difference at which an ordered pair rests. The paper's c is twice the
            margin, in every place that c has.

    >>> float(rank_loss(torch.tensor([0.2, 0.7]), torch.tensor([0.2, 0.7])))
    0.25
    """
    weights = torch.ones_like(scores) if weights is None else weights
    return absolute_error(scores, targets, weights) + pair_loss(scores, targets, weights, margin)


def absolute_error(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of |target - score| (eq. 8, first term)."""
    return _mean((targets - scores).abs(), weights)


def pair_loss(scores: Tensor, targets: Tensor, weights: Tensor, margin: float = 0.5) -> Tensor:
    """Return the weighted mean of g over the pairs with different targets (eq. 9).

    With c = 2 margin and t the score difference, positive where the order is right,
    g(t) = (t - margin)² + margin² for t ≥ 0 and -c t + c² / 2 below: continuous, with a continuous
    slope, and convex.
    """
    order = torch.sign(targets[:, None] - targets[None, :])
    difference = order * (scores[:, None] - scores[None, :])
    ordered = (difference - margin) ** 2 + margin**2
    misordered = 2 * margin * (margin - difference)
    g = torch.where(difference >= 0, ordered, misordered)
    return _mean(g, weights[:, None] * weights[None, :] * (order != 0))


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean; 0 where nothing counts, such as a batch without a pair."""
    return (values * weights).sum() / weights.sum().clamp_min(torch.finfo(values.dtype).tiny)
