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

BLOCK = 512  # hidden columns; of 128 poses a quarter of a megabyte


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

    On a CPU a block of hidden columns goes all the way before the next one: it stays in the cache.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, share: float
    ) -> Tensor:
        ctx.size = BLOCK if values.device.type == "cpu" else len(w1)
        result, kept = b2, []
        for first, bias, second in zip(*_blocks(ctx.size, w1, b1, w2.T), strict=True):
            hidden = torch.addmm(bias, values, first.T).relu_()
            mask, ctx.scale = _mask(hidden, share)
            kept.append(hidden.mul_(mask))
            result = torch.addmm(result, hidden, second, alpha=ctx.scale)
        ctx.save_for_backward(values, w1, w2, *kept)
        return result

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        values, w1, w2, *kept = ctx.saved_tensors
        scaled = slope * ctx.scale
        by_values, by_first, by_bias, by_second = torch.zeros_like(values), [], [], []
        for first, second, hidden in zip(*_blocks(ctx.size, w1, w2.T), kept, strict=True):
            # ReLU and dropout both leave a 0, and neither hands a slope on through it.
            inner = torch.ops.aten.threshold_backward(scaled @ second.T, hidden, 0)
            by_values.addmm_(inner, first)
            by_first.append(values.T @ inner)  # twice as fast as inner.T @ values
            by_bias.append(inner.sum(0))
            by_second.append(scaled.T @ hidden)
        first_slope, second_slope = torch.cat(by_first, dim=1).T, torch.cat(by_second, dim=1)
        return by_values, first_slope, torch.cat(by_bias), second_slope, slope.sum(0), None


def _blocks(size: int, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    return [torch.split(tensor, size) for tensor in tensors]


def _mask(values: Tensor, share: float) -> tuple[Tensor, float]:
    """Return 1 where a value stays and 0 where not, and the scale that keeps the mean."""
    dropped = round(256 * share)
    words = torch.empty(values.numel() // 8 + 1, dtype=torch.int64, device=values.device)
    noise = words.random_(-(2**63), None).view(torch.uint8)[: values.numel()].view(values.shape)
    stays = torch.ge(noise, dropped, out=torch.empty_like(values))
    return stays, 256 / (256 - dropped)
