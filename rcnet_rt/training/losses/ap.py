"""AP loss (Chen et al., 2019): 1 - average precision, with an error-driven gradient.

The steps of AP have no useful gradient. As a perceptron does, each wrong pair of a positive and a
negative pose pushes both, by its share of the lost precision; where precision rises again further
down the list, the loss there is smaller (interpolated AP), and so is the push.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rcnet_rt.training.losses.known_gradient import known_gradient

__all__ = ["ap_loss"]

DELTA = 1.0  # logits this close are partly in the wrong order


def ap_loss(logits: Tensor, targets: Tensor, weights: Tensor, positive: float = 0.5) -> Tensor:
    """Return 1 - interpolated average precision; 0 without a positive pose.

    The list is the whole batch: COCO's AP, too, sorts the poses of all images together.

    Args:
        logits: (P,).
        targets: (P,) matched OKS in [0, 1].
        weights: (P,); a pose of weight w counts as w poses.
        positive: matched OKS from which a pose is right; 0.5 is COCO's lowest threshold.
    """
    right = targets >= positive
    groups = right * weights, ~right * weights
    return known_gradient(lambda values: _loss_and_gradient(values, *groups), logits)


def _loss_and_gradient(logits: Tensor, right: Tensor, wrong: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss and its error-driven gradient; right and wrong are weights of the poses."""
    tiny = torch.finfo(logits.dtype).tiny
    share = right / right.sum().clamp_min(tiny)
    # Row i: how much of each other pose is above pose i. A positive is fully above itself.
    above = ((logits[None, :] - logits[:, None]) / (2 * DELTA) + 0.5).clamp(0, 1)
    true, false = above @ right + right / 2, above @ wrong
    listed = (true + false).clamp_min(tiny)
    precision = true / listed
    reached = _best_from_below(logits, torch.where(right > 0, precision, 0.0))
    eased = (1 - reached) / (1 - precision).clamp_min(torch.finfo(logits.dtype).eps)
    lost = share * (1 - reached)
    push = (share * eased / listed) @ above * wrong
    return lost.sum(), push - lost


def _best_from_below(logits: Tensor, precision: Tensor) -> Tensor:
    """Return the largest precision of each pose and those with smaller logits."""
    order = torch.argsort(logits, stable=True)
    best = torch.cummax(precision[order], dim=0).values
    return torch.zeros_like(best).scatter(0, order, best)
