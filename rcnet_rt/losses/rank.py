"""The paper's rank loss (definition 1, eq. 8-9): stay near the target, and order every pair."""

from __future__ import annotations

import torch
from torch import Tensor

from rcnet_rt.losses.pairs import pair_mean, signed_margins
from rcnet_rt.losses.pointwise import absolute_error

__all__ = ["pair_loss", "rank_loss"]


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


def pair_loss(scores: Tensor, targets: Tensor, weights: Tensor, margin: float = 0.5) -> Tensor:
    """Return the weighted mean of g over the pairs with different targets (eq. 9).

    With c = 2 margin and t the score difference, positive where the order is right,
    g(t) = (t - margin)² + margin² for t ≥ 0 and -c t + c² / 2 below: continuous, with a continuous
    slope, and convex. In one formula: g(t) = max(t, 0)² - c t + c² / 2.
    """
    difference = signed_margins(scores, targets)
    g = difference.relu().square() - 2 * margin * difference + 2 * margin**2
    return pair_mean(g, targets, weights)
