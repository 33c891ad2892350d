"""The joint head: how sure one can be of each joint, and how far off it may be.

A small network reads what the score network reads of a pose, the refined score, and the features of
each joint. It gives the probability that the joint is right, and the covariance of its error. It is
written once for NumPy, torch and traced arrays; training runs the same functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import WeightsError
from rcnet_rt.poses.arrays import Array, Constant, clip_low, logit, namespace, sigmoid
from rcnet_rt.rescoring.constants import (
    CLIP,
    LOG_SIZE,
    MAX_LOG_ASPECT,
    MAX_LOG_VARIANCE,
    MAX_SHEAR,
    MIN_LOG_VARIANCE,
)
from rcnet_rt.rescoring.joint_features import JOINT_FEATURES

__all__ = [
    "COVERAGE",
    "COVERED",
    "OUTPUTS",
    "POSE_COLUMNS",
    "JointEstimates",
    "JointHead",
    "confidences",
    "covariances",
    "head_outputs",
    "head_shapes",
    "pose_columns",
]

OUTPUTS = ("confidence", "log variance", "log aspect", "shear")
POSE_COLUMNS = 2  # refined score and size, before the features of the score network
# Covariances are scaled so that d' S⁻¹ d <= COVERED holds for this share of the joints.
COVERAGE = 0.9
COVERED = 4.605170185988092  # the 0.9 quantile of chi² with two degrees of freedom, -2 log(0.1)


@dataclass(frozen=True, eq=False)
class JointEstimates:
    """What is known of the joints of N poses; NumPy or torch.

    Attributes:
        confidence: (N, K) calibrated probability in [0, 1] that the joint is right, that is, within
            a keypoint similarity of 0.5 of the annotated one; 0 for a joint that was not found.
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

    def check(self, feature_count: int, joints: int) -> None:
        """Check names, types and shapes against the score network and the skeleton.

        Raises:
            WeightsError: a tensor is missing, unknown, or of another type or shape.
        """
        widths = [
            self.tensors[name].shape[0] if name in self.tensors and self.tensors[name].ndim else 0
            for name in ("pose.0.bias", "joint.embedding")
        ]
        shapes = head_shapes(feature_count, joints, *widths)
        expected = {name: f"float32 {shape}" for name, shape in shapes.items()}
        got = {name: f"{value.dtype} {value.shape}" for name, value in self.tensors.items()}
        for name in sorted(got.keys() | expected.keys()):
            if got.get(name) != expected.get(name) or 0 in widths:
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


def head_shapes(
    feature_count: int, joints: int, pose_width: int, joint_width: int
) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor of a joint head.

    Args:
        feature_count: D, features of the score network.
        joints: K.
        pose_width: T, width of the two layers that read the pose.
        joint_width: H, width of the layer that reads pose and joint.
    """
    return {
        "pose.0.weight": (pose_width, POSE_COLUMNS + feature_count),
        "pose.0.bias": (pose_width,),
        "pose.1.weight": (pose_width, pose_width),
        "pose.1.bias": (pose_width,),
        "joint.pose": (joint_width, pose_width),
        "joint.features": (joint_width, len(JOINT_FEATURES)),
        "joint.embedding": (joint_width, joints),
        "output.weight": (len(OUTPUTS), joint_width, joints),
        "output.bias": (len(OUTPUTS), joints),
    }


def pose_columns(standard: Array, refined: Array, size: Array) -> Array:
    """Return (P, 2 + D): the refined score, the size, and the standardised features.

    Args:
        standard: (P, D) standardised features of the score network, unknown ones 0.
        refined: (P,) refined scores.
        size: (P,) pixels.
    """
    xp = namespace(standard)
    log_size = xp.clip(xp.log(size) - LOG_SIZE, -CLIP, CLIP)
    return xp.concatenate([logit(refined)[:, None], log_size[:, None], standard], 1)


def head_outputs(tensors: Mapping[str, Array], poses: Array, joints: Array) -> list[Array]:
    """Return the `OUTPUTS`, (P, K) each.

    Args:
        tensors: the parameters, of the kind of the other arrays.
        poses: (P, 2 + D) of `pose_columns`.
        joints: (P, F, K) of `joint_features`.
    """
    for layer in ("pose.0", "pose.1"):
        poses = _relu(poses @ tensors[f"{layer}.weight"].T + tensors[f"{layer}.bias"])
    shared = (poses @ tensors["joint.pose"].T)[:, :, None] + tensors["joint.embedding"]
    hidden = _relu(shared + tensors["joint.features"] @ joints)
    weight, bias = tensors["output.weight"], tensors["output.bias"]
    return [(hidden * weight[n]).sum(axis=1) + bias[n] for n in range(len(OUTPUTS))]


def confidences(outputs: list[Array]) -> Array:
    """Return the (P, K) probability that each joint is right."""
    return sigmoid(outputs[0])


def covariances(outputs: list[Array], size: Array) -> tuple[Array, Array, Array]:
    """Return the (P, K) entries xx, xy and yy of the covariances in pixels², size (P,) in pixels.

    The square root of the determinant is size² exp(log variance).
    """
    xp = namespace(size)
    variance = (size * size)[:, None] * xp.exp(
        xp.clip(outputs[1], MIN_LOG_VARIANCE, MAX_LOG_VARIANCE)
    )
    aspect = xp.exp(xp.clip(outputs[2], -MAX_LOG_ASPECT, MAX_LOG_ASPECT))
    shear = xp.clip(outputs[3], -MAX_SHEAR, MAX_SHEAR)
    return variance * aspect, variance * shear, variance * (1 + shear * shear) / aspect


def _relu(values: Array) -> Array:
    return clip_low(values, 0)
