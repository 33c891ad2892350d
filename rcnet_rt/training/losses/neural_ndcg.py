"""NeuralNDCG (Pobrotyn & Białobrzeski, 2021): NDCG with differentiable sorting."""

from __future__ import annotations

import torch
from torch import Tensor

from rcnet_rt.training.losses import ndcg

__all__ = ["neural_ndcg_loss", "neural_sort"]

TEMPERATURE = 1.0
SINKHORN_STEPS = 50


def neural_ndcg_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return minus the NDCG of the gains in the order of `neural_sort`.

    The list is the whole batch: AP ranks the poses of all images together. A weight multiplies the
    gain of a pose, which takes one whole rank unless its weight is 0.
    Logits (P,), targets (P,) in [0, 1], weights (P,).
    """
    present = weights > 0
    gain = (weights * ndcg.gains(targets))[present]
    discount = ndcg.discounts(torch.arange(1, len(gain) + 1).to(gain))
    gained = (neural_sort(logits[present]) @ gain * discount).sum()
    ideal = (gain.sort(descending=True).values * discount).sum()
    return -gained / ideal.clamp_min(ndcg.EPSILON)


def neural_sort(values: Tensor) -> Tensor:
    """Return (N, N) shares of each value (column) in each rank (row); rows and columns sum to 1.

    NeuralSort (Grover et al., 2019) with Sinkhorn scaling, in the log domain.

    >>> neural_sort(torch.tensor([0.0, 90.0, 30.0])).argmax(1).tolist()
    [1, 2, 0]
    """
    count = len(values)
    step = count + 1 - 2 * torch.arange(1, count + 1).to(values)
    apart = (values[:, None] - values[None, :]).abs().sum(1)
    share = torch.log_softmax((step[:, None] * values[None, :] - apart) / TEMPERATURE, dim=1)
    for _ in range(SINKHORN_STEPS):
        share = share - share.logsumexp(0, keepdim=True)
        share = share - share.logsumexp(1, keepdim=True)
    return share.exp()
