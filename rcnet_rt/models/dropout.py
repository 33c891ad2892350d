"""Dropout that is cheap on a CPU too, and a feed-forward layer that has it inside.

Torch draws one Bernoulli number after another on a CPU, which took half of RCNet's training step.
Here every value has a random byte of its own, drawn eight at a time from torch's generator, so that
the share is a multiple of 1/256: 26/256 for 0.1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Dropout", "feed_forward"]

BLOCK = 2**17  # hidden values, half a megabyte


class Dropout(nn.Module):
    """Sets a share of the values to 0 while training, scales the others so that the mean stays."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, values: Tensor) -> Tensor:
        """Return values of the same shape."""
        if not self.training or self.share == 0:
            return values
        mask, scale = _mask(values, self.share)
        return values * mask.mul_(scale)


def feed_forward(values: Tensor, first: nn.Linear, second: nn.Linear, share: float) -> Tensor:
    """(P, H) -> (P, H): linear, ReLU, dropout of a share, linear; for training."""
    weights = (first.weight, first.bias, second.weight, second.bias)
    result: Tensor = _FeedForward.apply(values, *weights, share)
    return result


class _FeedForward(torch.autograd.Function):
    """A few passes over the wide hidden values where autograd makes many; they alone are kept.

    A row for each hidden unit and a column for each pose: so all products are of a shape that a CPU
    is quick at, on several threads too. A block of rows goes all the way before the next one: it
    stays in the cache.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, share: float
    ) -> Tensor:
        fits = max(1, BLOCK // len(values))
        ctx.size = fits if values.device.type == "cpu" else len(w1)
        result, kept = b2[:, None], []
        for first, bias, second in zip(*_blocks(ctx.size, w1, b1, w2.T), strict=True):
            hidden = torch.addmm(bias[:, None], first, values.T).relu_()
            ctx.scale = _drop_(hidden, share)
            kept.append(hidden)
            result = torch.addmm(result, second.T, hidden, alpha=ctx.scale)
        ctx.save_for_backward(values, w1, w2, *kept)
        return result.T

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        values, w1, w2, *kept = ctx.saved_tensors
        scaled = slope.T * ctx.scale
        by_values = torch.zeros_like(values.T)
        by_w1, by_b1, by_w2 = torch.empty_like(w1), w1.new_empty(len(w1)), torch.empty_like(w2)
        blocks = _blocks(ctx.size, w1, w2.T, by_w1, by_b1, by_w2.T)
        for hidden, first, second, by_first, by_bias, by_second in zip(kept, *blocks, strict=True):
            inner = second @ scaled
            # ReLU and dropout both leave a 0, and neither hands a slope on through it.
            torch.ops.aten.threshold_backward.grad_input(inner, hidden, 0, grad_input=inner)
            by_values.addmm_(first.T, inner)
            torch.mm(inner, values, out=by_first)
            torch.sum(inner, 1, out=by_bias)
            torch.mm(scaled, hidden.T, out=by_second.T)
        return by_values.T, by_w1, by_b1, by_w2, slope.sum(0), None


def _blocks(size: int, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    return [torch.split(tensor, size) for tensor in tensors]


def _drop_(values: Tensor, share: float) -> float:
    """Set a share of the values to 0, in place; return the scale that keeps the mean."""
    mask, scale = _mask(values, share)
    values.mul_(mask)
    return scale


def _mask(values: Tensor, share: float) -> tuple[Tensor, float]:
    """Return 1 where a value stays and 0 where not, and the scale that keeps the mean."""
    dropped = round(256 * share)
    words = torch.empty(values.numel() // 8 + 1, dtype=torch.int64, device=values.device)
    noise = words.random_(-(2**63), None).view(torch.uint8)[: values.numel()].view(values.shape)
    stays = torch.ge(noise, dropped, out=torch.empty_like(values))
    return stays, 256 / (256 - dropped)
