"""torch eager on any device: the reference that the other backends are held against."""

from __future__ import annotations

from typing import Literal

import torch

from rcnet_rt import model
from rcnet_rt.arrays import Array
from rcnet_rt.weights_file import Weights

__all__ = ["TorchBackend"]


class TorchBackend:
    """Runs the network in torch; takes and gives tensors on its device."""

    name = "torch"
    arrays: Literal["torch"] = "torch"

    def __init__(self, weights: Weights, device: str = "cpu") -> None:
        self._network = model.on_device(model.from_weights(weights), device)
        self.device = device

    def __call__(self, features: Array, base: Array, picture: Array) -> Array:
        """Score the poses; see `Backend`."""
        with torch.inference_mode():
            return self._network(features.float(), base.float(), picture)
