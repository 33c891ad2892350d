"""The paper's rank loss (definition 1, eq. 8-9): an absolute error and a loss over all pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from rcnet_rt.training.losses.known_gradient import known_gradient
from rcnet_rt.training.losses.pointwise import absolute_error

__all__ = ["pair_loss", "rank_loss"]


def rank_loss(
    scores: Tensor, targets: Tensor, weights: Tensor | None = None, margin: float = 0.5
) -> Tensor:
    """Return mean |target - score| + mean g(pair) over all pairs of the batch (eq. 8, b' = 2).

    Args:
        scores: (P,) refined scores in [0, 1].
        targets: (P,) matched OKS in [0, 1]; pairs of equal targets are left out.
        weights: (P,); a pair has the product of its weights. Default: all 1.
        margin: the score difference that minimizes the loss of a pair; half of the paper's c.

    >>> float(rank_loss(torch.tensor([0.2, 0.7]), torch.tensor([0.2, 0.7])))
    0.25
    """
    weights = torch.ones_like(scores) if weights is None else weights
    return absolute_error(scores, targets, weights) + pair_loss(scores, targets, weights, margin)


def pair_loss(scores: Tensor, targets: Tensor, weights: Tensor, margin: float = 0.5) -> Tensor:
    """Return the weighted mean of g over the pairs with different targets (eq. 9).

    With c = 2 margin and t the score difference, positive if ranked correctly,
    g(t) = (t - margin)² + margin² for t ≥ 0 and -c t + c² / 2 below: continuous, with a continuous
    slope, and convex. In one formula: g(t) = max(t, 0)² - c t + c² / 2.
    """
    return known_gradient(lambda s: _loss_and_gradient(s, targets, weights, margin), scores)


def _loss_and_gradient(
    scores: Tensor, targets: Tensor, weights: Tensor, margin: float
) -> tuple[Tensor, Tensor]:
    """Return both from two sums per pose: each pair occurs twice, with signs flipped.

    With o the sign of the order and w the weight of a pair, t = o (s_i - s_j): so the sum of
    w max(t, 0)² is that of w o max(t, 0) (s_i - s_j), which is twice that of s_i w o max(t, 0).
    """
    order = torch.sign(targets[:, None] - targets)
    signed = torch.outer(weights, weights) * order
    total = signed.abs().sum()
    spread = (signed * (order * (scores[:, None] - scores)).relu()).sum(1)
    lead = 2 * margin * signed.sum(1)
    loss = 2 * scores @ (spread - lead) + 2 * margin**2 * total
    count = total.clamp_min(torch.finfo(total.dtype).tiny)
    return loss / count, (4 * spread - 2 * lead) / count
