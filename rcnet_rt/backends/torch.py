"""torch eager on any device: the reference that the other backends are held against."""

from __future__ import annotations

import torch
from torch import Tensor

from rcnet_rt import model
from rcnet_rt.arrays import Array
from rcnet_rt.given import GivenPoses
from rcnet_rt.step import refined_scores
from rcnet_rt.weights_file import Weights

__all__ = ["TorchBackend"]


class TorchBackend:
    """Runs the step in torch; gives tensors on its device."""

    name = "torch"

    def __init__(self, weights: Weights, device: str = "cpu") -> None:
        self._network = model.on_device(model.from_weights(weights), device)
        self._weights = weights
        self.device = device

    def __call__(self, given: GivenPoses) -> tuple[Array, Array]:
        """Refine the poses; see `Backend`."""
        with torch.inference_mode():
            moved = given.map(lambda array: torch.as_tensor(array, device=self.device))
            return refined_scores(moved, self._weights, self._scores)

    def _scores(self, features: Tensor, base: Tensor, picture: Tensor) -> Tensor:
        scores: Tensor = self._network(features.float(), base.float(), picture)
        return scores.to(base.dtype)
