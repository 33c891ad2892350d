"""A loss with a closed-form gradient, which leaves autograd a single product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["known_gradient"]


def known_gradient(function: Callable[[Tensor], tuple[Tensor, Tensor]], values: Tensor) -> Tensor:
    """Return the loss of a function that returns (loss, gradient with respect to the values).

    >>> values = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> known_gradient(lambda v: (v.square().sum(), 2 * v), values).backward()
    >>> values.grad
    tensor([2., 4.])
    """
    loss: Tensor = _KnownGradient.apply(values, function)
    return loss


class _KnownGradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, function: Callable[[Tensor], tuple[Tensor, Tensor]]
    ) -> Tensor:
        loss, gradient = function(values)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return upstream * gradient, None
