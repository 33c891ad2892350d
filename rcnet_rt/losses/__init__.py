"""Training losses by name, one concern a file.

Each takes scores (P,), targets (P,), weights (P,) and a margin, and gives a scalar tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor

from rcnet_rt.losses.rank import rank_loss

__all__ = ["LOSSES", "Loss"]

Loss = Callable[[Tensor, Tensor, Tensor, float], Tensor]

LOSSES: Mapping[str, Loss] = MappingProxyType({"rank": rank_loss})
