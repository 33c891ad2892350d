"""Signed score differences of pairs of poses, and the mean over pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from rcnet_rt.training.losses.averages import weighted_mean

__all__ = ["pair_mean", "signed_margins"]


def signed_margins(values: Tensor, targets: Tensor) -> Tensor:
    """Return (P, P) differences of values, positive where they are ordered as the targets.

    >>> signed_margins(torch.tensor([0.25, 0.75]), torch.tensor([1.0, 0.0]))[0, 1].item()
    -0.5
    """
    order = torch.sign(targets[:, None] - targets[None, :])
    return order * (values[:, None] - values[None, :])


def pair_mean(values: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of (P, P) values over the pairs with different targets.

    A pair has the product of its weights. 0 if there is no pair.
    """
    # As floats: multiplying by booleans takes several times as long.
    ordered = torch.sign(targets[:, None] - targets[None, :]).abs()
    return weighted_mean(values, torch.outer(weights, weights) * ordered)
