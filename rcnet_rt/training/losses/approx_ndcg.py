"""ApproxNDCG (Qin et al., 2010): NDCG with differentiable ranks."""

from __future__ import annotations

import torch
from torch import Tensor

from rcnet_rt.training.losses import ndcg

__all__ = ["approx_ndcg_loss"]


def approx_ndcg_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return minus the NDCG with rank = 1 + the sum of sigmoid(other logit - own).

    The list is the whole batch: AP ranks the poses of all images together. Logits (P,),
    targets (P,) in [0, 1], weights (P,).
    """
    above = torch.sigmoid(logits[None, :] - logits[:, None]) * weights[None, :]
    rank = 1 + above.sum(1) - above.diagonal()
    gained = weights * ndcg.gains(targets) * ndcg.discounts(rank)
    return -gained.sum() / ndcg.ideal(targets, weights)
