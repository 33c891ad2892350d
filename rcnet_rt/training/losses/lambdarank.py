"""LambdaRank (Burges et al., 2006) as a loss: RankNet with pairs weighted by the NDCG change."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.functional import softplus

from rcnet_rt.training.losses import ndcg
from rcnet_rt.training.losses.pairs import signed_margins

__all__ = ["lambdarank_loss"]


def lambdarank_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the sum of -log2 P(better above worse), weighted by the NDCG change of a swap.

    The list is the whole batch: AP ranks the poses of all images together. Ranks are those of the
    current logits, without gradient. Logits (P,), targets (P,) in [0, 1], weights (P,).
    """
    gain = ndcg.gains(targets) / ndcg.ideal(targets, weights)
    discount = ndcg.discounts(ndcg.ranks(logits.detach(), weights))
    change = (gain[:, None] - gain[None, :]).abs() * (discount[:, None] - discount[None, :]).abs()
    pairs = weights[:, None] * weights[None, :] * change
    surprise = softplus(-signed_margins(logits, targets)) / math.log(2)
    return (pairs * surprise).sum() / 2  # each pair occurs twice
