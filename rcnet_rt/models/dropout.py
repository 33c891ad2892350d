"""Dropout that is fast on CPUs, and a feed-forward layer with dropout.

On a CPU torch draws one Bernoulli number after another, which took half of RCNet's training step.
Here each value gets a random byte, drawn eight at a time by torch's generator, so that the dropout
probability is rounded to a multiple of 1/256: 26/256 for 0.1. On a GPU torch's own dropout is a
single kernel and is what runs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["Dropout", "feed_forward"]


class Dropout(nn.Module):
    """Sets values to 0 with probability `p` in training, and scales the rest to keep the mean."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, values: Tensor) -> Tensor:
        """Return values of the same shape."""
        if not self.training or self.p == 0:
            return values
        if values.is_cuda:
            return F.dropout(values, self.p)
        mask, scale = _mask(values, self.p)
        return values * mask.mul_(scale)


def feed_forward(values: Tensor, first: nn.Linear, second: nn.Linear, p: float) -> Tensor:
    """(P, H) -> (P, H): linear, ReLU, dropout with probability p, linear; for training."""
    if values.is_cuda:
        hidden = F.dropout(first(values).relu(), p)
        output: Tensor = second(hidden)
        return output
    weights = (first.weight, first.bias, second.weight, second.bias)
    result: Tensor = _FeedForward.apply(values, *weights, p)
    return result


class _FeedForward(torch.autograd.Function):
    """Fewer passes over the wide hidden layer than autograd makes, and only it is kept.

    With 2048 hidden units (the paper's) autograd takes 1.05 to 1.4 times as long per epoch. The
    hidden layer has a row per unit and a column per pose, a layout that is fast on CPUs.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, p: float
    ) -> Tensor:
        hidden = torch.addmm(b1[:, None], w1, values.T).relu_()
        mask, ctx.scale = _mask(hidden, p)
        hidden.mul_(mask)
        ctx.save_for_backward(values, w1, w2, hidden)
        return torch.addmm(b2[:, None], w2, hidden, alpha=ctx.scale).T

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, w1, w2, hidden = ctx.saved_tensors
        scaled = gradient.T * ctx.scale
        inner = w2.T @ scaled
        # Where ReLU or dropout left a 0, no gradient passes.
        torch.ops.aten.threshold_backward.grad_input(inner, hidden, 0, grad_input=inner)
        by_values, by_w1, by_w2 = (w1.T @ inner).T, inner @ values, scaled @ hidden.T
        return by_values, by_w1, inner.sum(1), by_w2, gradient.sum(0), None


def _mask(values: Tensor, p: float) -> tuple[Tensor, float]:
    """Return a mask of values' shape, 0 with probability p and else 1, and the mean's scale."""
    dropped = round(256 * p)
    words = torch.empty(values.numel() // 8 + 1, dtype=torch.int64, device=values.device)
    noise = words.random_(-(2**63), None).view(torch.uint8)[: values.numel()].view(values.shape)
    kept = torch.ge(noise, dropped, out=torch.empty_like(values))
    return kept, 256 / (256 - dropped)
