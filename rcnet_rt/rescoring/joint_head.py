"""The joint head: how sure one can be of each joint, and how far off it may be.

A small network reads what the score network reads of a pose, the refined score, and its joints one
by one. For each joint it gives the probability that it is right, and the covariance of its error.
It is written once for NumPy, torch and traced arrays; training runs the same functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import WeightsError
from rcnet_rt.poses.arrays import Array, Constant, clip_low, namespace
from rcnet_rt.rescoring.constants import (
    MAX_LOG_VARIANCE,
    MAX_LOGIT,
    MAX_STRETCH,
    MIN_LOG_VARIANCE,
)
from rcnet_rt.rescoring.joint_features import feature_count

__all__ = [
    "COVERAGE",
    "COVERED",
    "JOINT_OUTPUTS",
    "OUTPUTS",
    "JointEstimates",
    "JointHead",
    "estimates_of",
    "head_outputs",
    "head_shapes",
    "squared_distance",
]

JOINT_OUTPUTS = ("joint_confidence", "joint_covariance")  # of an exported graph
OUTPUTS = ("confidence", "log variance", "stretch", "shear")
# Covariances are scaled so that d' S⁻¹ d <= COVERED holds for this share of the joints.
COVERAGE = 0.9
COVERED = -2 * math.log(1 - COVERAGE)  # the quantile of chi² with two degrees of freedom, 4.605
BOUNDS = (
    Constant([[-MAX_LOGIT], [MIN_LOG_VARIANCE], [-MAX_STRETCH], [-MAX_STRETCH]]),
    Constant([[MAX_LOGIT], [MAX_LOG_VARIANCE], [MAX_STRETCH], [MAX_STRETCH]]),
)


@dataclass(frozen=True, eq=False)
class JointEstimates:
    """What is known of the joints of N poses; NumPy or torch.

    Attributes:
        confidence: (N, K) calibrated probability in [0, 1] that the joint is right, that is, has a
            keypoint similarity of at least 0.5 with the annotated one; 0 for a joint that was not
            found.
        covariance: (N, K, 2, 2) of the joint's error, in image pixels²; NaN where not found.
    """

    confidence: Array
    covariance: Array


@dataclass(frozen=True, eq=False)
class JointHead:
    """The parameters of a joint head.

    Attributes:
        tensors: by the names of `head_shapes`.
        training: how it was made, and figures on held-out images.
    """

    tensors: Mapping[str, npt.NDArray[np.float32]]
    training: Mapping[str, Any] = field(default_factory=dict)

    def check(self, features: int, joints: int) -> None:
        """Check names, types and shapes against the score network and the skeleton.

        Raises:
            WeightsError: a tensor is missing, unknown, or of another type or shape.
        """
        bias = self.tensors.get("layers.0.bias", np.zeros(0))
        shapes = head_shapes(features, joints, bias.size)
        expected = {name: f"float32 {shape}" for name, shape in shapes.items()}
        got = {name: f"{value.dtype} {value.shape}" for name, value in self.tensors.items()}
        for name in sorted(got.keys() | expected.keys()):
            if got.get(name) != expected.get(name):
                raise WeightsError(
                    f"joint head: tensor {name!r} should be {expected.get(name, 'absent')} and is "
                    f"{got.get(name, 'absent')}"
                )

    def like(self, array: Array) -> Mapping[str, Array]:
        """Return the tensors as arrays of that kind."""
        return {name: constant.like(array) for name, constant in self._constants.items()}

    @cached_property
    def _constants(self) -> dict[str, Constant]:
        return {name: Constant(tensor) for name, tensor in self.tensors.items()}


def head_shapes(features: int, joints: int, width: int) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor of a joint head; layers are (outputs, inputs).

    Args:
        features: D, of the score network.
        joints: K.
        width: of the two hidden layers.
    """
    return {
        "layers.0.weight": (width, feature_count(joints) + features),
        "layers.0.bias": (width,),
        "layers.1.weight": (width, width),
        "layers.1.bias": (width,),
        "output.weight": (len(OUTPUTS) * joints, width),
        "output.bias": (len(OUTPUTS) * joints,),
    }


def head_outputs(tensors: Mapping[str, Array], features: Array) -> Array:
    """Return the (P, 4, K) `OUTPUTS` of each joint.

    Args:
        tensors: the parameters, of the kind of the features.
        features: (P, 3K + 3 + D) those of `joint_features.joint_features`, then those of the score
            network, standardised.
    """
    for layer in ("layers.0", "layers.1"):
        linear = features @ tensors[f"{layer}.weight"].T + tensors[f"{layer}.bias"]
        features = clip_low(linear, 0)
    outputs = features @ tensors["output.weight"].T + tensors["output.bias"]
    low, high = (bound.like(outputs) for bound in BOUNDS)
    xp, joints = namespace(outputs), tensors["output.bias"].shape[0] // len(OUTPUTS)
    return xp.minimum(xp.maximum(outputs.reshape(-1, len(OUTPUTS), joints), low), high)


def estimates_of(outputs: Array, size: Array, known: Array) -> tuple[Array, Array]:
    """Return the (P, K) confidence, and the (P, K, 4) entries of the covariance row by row.

    Of a joint that is not known the confidence is 0 and the entries are NaN.

    The covariance is size² exp(log variance) [[c + stretch, shear], [shear, c - stretch]], where c
    makes the determinant of the matrix 1: two numbers without bounds that treat all directions
    alike.

    Args:
        outputs: (P, 4, K) of `head_outputs`.
        size: (P,) pixels, of the poses.
        known: (P, K) whether the joint was found in a pose without fault.
    """
    xp = namespace(size)
    odds = xp.exp(outputs[:, 0])
    stretch, shear = outputs[:, 2], outputs[:, 3]
    variance = xp.where(known, (size * size)[:, None] * xp.exp(outputs[:, 1]), float("nan"))
    middle = xp.sqrt(1 + stretch * stretch + shear * shear)
    xy = variance * shear
    entries = [variance * (middle + stretch), xy, xy, variance * (middle - stretch)]
    return xp.where(known, odds / (1 + odds), 0.0), xp.stack(entries, 2)


def squared_distance(outputs: Array, errors: Array) -> Array:
    """Return the (P, K) squared Mahalanobis distances of errors, but for exp(-log variance).

    Args:
        outputs: (P, 4, K) of `head_outputs`.
        errors: (P, K, 2) shares of the pose's size.
    """
    xp, x, y = namespace(errors), errors[..., 0], errors[..., 1]
    stretch, shear = outputs[:, 2], outputs[:, 3]
    middle = xp.sqrt(1 + stretch * stretch + shear * shear)
    return (middle - stretch) * x * x - 2 * shear * x * y + (middle + stretch) * y * y
