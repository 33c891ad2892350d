"""AP loss (Chen et al., 2019): 1 - average precision, with an error-driven gradient.

AP is piecewise constant. Instead of its gradient, each misranked pair of a positive and a negative
pose contributes its share of the lost precision, as in a perceptron update. For interpolated AP the
loss of a positive pose is reduced to that of the highest precision at the same or higher recall.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rcnet_rt.training.losses.known_gradient import known_gradient

__all__ = ["ap_loss"]

DELTA = 1.0  # pairs with closer logits count as partly misranked


def ap_loss(logits: Tensor, targets: Tensor, weights: Tensor, positive: float = 0.5) -> Tensor:
    """Return 1 - interpolated average precision; 0 without a positive pose.

    The list is the whole batch: COCO's AP ranks the poses of all images together.

    Args:
        logits: (P,).
        targets: (P,) matched OKS in [0, 1].
        weights: (P,); a pose of weight w counts as w poses.
        positive: matched OKS from which a pose is positive; 0.5 is COCO's lowest threshold.
    """
    is_positive = targets >= positive
    groups = is_positive * weights, ~is_positive * weights
    return known_gradient(lambda values: _loss_and_gradient(values, *groups), logits)


def _loss_and_gradient(logits: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss and its error-driven gradient, from (P,) weights of both classes."""
    tiny = torch.finfo(logits.dtype).tiny
    share = positive / positive.sum().clamp_min(tiny)
    # Row i: how much each pose is ranked above pose i; a positive counts fully above itself.
    above = ((logits[None, :] - logits[:, None]) / (2 * DELTA) + 0.5).clamp(0, 1)
    true, false = above @ positive + positive / 2, above @ negative
    listed = (true + false).clamp_min(tiny)
    precision = true / listed
    reached = _best_from_below(logits, torch.where(positive > 0, precision, 0.0))
    reduction = (1 - reached) / (1 - precision).clamp_min(torch.finfo(logits.dtype).eps)
    lost = share * (1 - reached)
    push = (share * reduction / listed) @ above * negative
    return lost.sum(), push - lost


def _best_from_below(logits: Tensor, precision: Tensor) -> Tensor:
    """Return the highest precision among each pose and those with smaller logits."""
    order = torch.argsort(logits, stable=True)
    best = torch.cummax(precision[order], dim=0).values
    return torch.zeros_like(best).scatter(0, order, best)
