"""Training losses by name, one per file.

A loss maps (P,) scores in [0, 1] or (P,) logits, (P,) targets in [0, 1] (matched OKS) and (P,)
weights to a scalar. Poses of weight 0 have no effect. Pairs and lists span the whole batch, across
images, because COCO's AP ranks the poses of all images together.

| name | file | source |
| --- | --- | --- |
| `rank` | `rank` | the paper, definition 1, with any margin |
| `gaussian`, `gaussian_cubic` | `gaussian` | the paper, appendix G, derived and as described |
| `crps` | `crps` | the paper, appendix G |
| `ranknet` | `ranknet` | Burges et al., 2005 |
| `lambdarank` | `lambdarank` | Burges et al., 2006 |
| `approx_ndcg` | `approx_ndcg` | Qin et al., 2010 |
| `neural_ndcg` | `neural_ndcg` | Pobrotyn & Białobrzeski, 2021 |
| `ap` | `ap` | Chen et al., 2019 |
| `dr` | `dr` | Qian et al., 2020 |
| `l1`, `mse`, `bce` | `pointwise` | |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from rcnet_rt.errors import WeightsError
from rcnet_rt.training.losses.ap import ap_loss
from rcnet_rt.training.losses.approx_ndcg import approx_ndcg_loss
from rcnet_rt.training.losses.crps import crps_loss
from rcnet_rt.training.losses.dr import dr_loss
from rcnet_rt.training.losses.gaussian import gaussian_cubic_loss, gaussian_loss
from rcnet_rt.training.losses.lambdarank import lambdarank_loss
from rcnet_rt.training.losses.neural_ndcg import neural_ndcg_loss
from rcnet_rt.training.losses.pointwise import absolute_error, cross_entropy, squared_error
from rcnet_rt.training.losses.rank import rank_loss
from rcnet_rt.training.losses.ranknet import ranknet_loss

__all__ = ["LOSSES", "Criterion", "Loss", "get"]

Criterion = Callable[[Tensor, Tensor, Tensor], Tensor]  # (P,) logits, targets, weights -> scalar


@dataclass(frozen=True)
class Loss:
    """A loss and its inputs.

    Attributes:
        function: of scores or logits, targets and weights, all (P,), and its options.
        of: whether it takes scores or logits.
        options: names of the recipe's fields that it takes as options.
        fixed_shapes: whether all shapes depend on the number of poses alone, not on values; a CUDA
            graph records nothing else.
    """

    function: Callable[..., Tensor]
    of: Literal["scores", "logits"]
    options: tuple[str, ...] = ()
    fixed_shapes: bool = True

    def __call__(
        self, logits: Tensor, targets: Tensor, weights: Tensor, **options: float
    ) -> Tensor:
        """Return the loss of a batch of (P,) logits."""
        predicted = torch.sigmoid(logits) if self.of == "scores" else logits
        return self.function(predicted, targets, weights, **options)


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "rank": Loss(rank_loss, "scores", ("margin",)),
        "gaussian": Loss(gaussian_loss, "scores"),
        "gaussian_cubic": Loss(gaussian_cubic_loss, "scores"),
        "crps": Loss(crps_loss, "scores"),
        "ranknet": Loss(ranknet_loss, "logits"),
        "lambdarank": Loss(lambdarank_loss, "logits"),
        "approx_ndcg": Loss(approx_ndcg_loss, "logits"),
        "neural_ndcg": Loss(neural_ndcg_loss, "logits", fixed_shapes=False),
        "ap": Loss(ap_loss, "logits", ("positive",)),
        "dr": Loss(dr_loss, "scores", ("positive",)),
        "l1": Loss(absolute_error, "scores"),
        "mse": Loss(squared_error, "scores"),
        "bce": Loss(cross_entropy, "logits"),
    }
)


def get(name: str, **options: float) -> Criterion:
    """Return a loss of logits, targets and weights, with those options that apply to it.

    Raises:
        WeightsError: unknown name.
    """
    if name not in LOSSES:
        raise WeightsError(f"unknown loss {name!r}; known are {', '.join(LOSSES)}")
    loss = LOSSES[name]
    chosen = {option: value for option, value in options.items() if option in loss.options}

    def criterion(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        return loss(logits, targets, weights, **chosen)

    return criterion
