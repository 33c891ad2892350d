"""The reference itself, for weights that are a formula: no network, no framework."""

from __future__ import annotations

from rcnet_rt.backends.protocol import Refined
from rcnet_rt.rescoring.inputs import PoseInputs, as_float64
from rcnet_rt.rescoring.rescore import refined_joints, refined_scores
from rcnet_rt.rescoring.weights import Weights

__all__ = ["BaselineBackend"]


class BaselineBackend:
    """Computes the baseline where the arrays are: NumPy for NumPy, torch for torch."""

    name = "numpy"
    device = "any"

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def __call__(self, inputs: PoseInputs) -> Refined:
        """Refine the poses; see `Backend`."""
        return Refined(*refined_scores(inputs.map(as_float64), self._weights, None))

    def with_joints(self, inputs: PoseInputs) -> Refined:
        """Raise `WeightsError`: a baseline has no joint head."""
        scores, faulty, joints = refined_joints(inputs.map(as_float64), self._weights, None)
        return Refined(scores, faulty, joints=joints)
