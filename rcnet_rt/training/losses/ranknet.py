"""RankNet (Burges et al., 2005): logistic regression on the order of pairs."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from rcnet_rt.training.losses.pairs import pair_mean, signed_margins

__all__ = ["ranknet_loss"]


def ranknet_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of -log P(better above worse) over the pairs with different targets.

    P is the sigmoid of the difference of the logits. With scores in (0, 1) instead, P would
    stay within 0.27 and 0.73, and push scores to 0 and 1 without converging. Logits (P,), targets
    (P,), weights (P,).
    """
    return pair_mean(softplus(-signed_margins(logits, targets)), targets, weights)
