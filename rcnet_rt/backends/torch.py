"""torch eager on any device: the reference that the other backends are held against."""

from __future__ import annotations

from typing import Literal

import torch

from rcnet_rt import model
from rcnet_rt.arrays import Array
from rcnet_rt.errors import BackendError
from rcnet_rt.weights_file import Weights

__all__ = ["TorchBackend"]


class TorchBackend:
    """Runs the network in torch; takes and gives tensors on its device."""

    name = "torch"
    arrays: Literal["torch"] = "torch"

    def __init__(self, weights: Weights, device: str = "cpu") -> None:
        try:
            self._network = model.from_weights(weights).to(device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise BackendError(
                f"device {device!r} cannot be used: {reason}; try device='cpu'"
            ) from error
        self.device = device

    def __call__(self, features: Array, base: Array, picture: Array) -> Array:
        """Score the poses; see `Backend`."""
        with torch.inference_mode():
            return self._network(features.float(), base.float(), picture)
