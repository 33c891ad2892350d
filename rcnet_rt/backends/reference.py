"""The reference itself, for weights that are a formula: no network, no framework."""

from __future__ import annotations

from rcnet_rt.poses.arrays import Array
from rcnet_rt.rescoring.inputs import PoseInputs, doubles
from rcnet_rt.rescoring.rescore import refined_scores
from rcnet_rt.rescoring.weights import Weights

__all__ = ["BaselineBackend"]


class BaselineBackend:
    """Computes the baseline where the arrays are: NumPy for NumPy, torch for torch."""

    name = "numpy"
    device = "any"

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def __call__(self, given: PoseInputs) -> tuple[Array, Array]:
        """Refine the poses; see `Backend`."""
        return refined_scores(given.map(doubles), self._weights, None)
