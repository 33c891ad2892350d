"""The whole step, from poses as they were given to refined scores: the reference of every backend.

Written for any kind of array. NumPy and torch run it; traced arrays write it down as an ONNX graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rcnet_rt.errors import WeightsError
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.arrays import Array, namespace, sigmoid
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring import features as feature_sets
from rcnet_rt.rescoring.batch import PoseBatch, fill, isolate
from rcnet_rt.rescoring.constants import BELOW_FLOOR, CLIP
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.joint_features import joint_features, pose_size
from rcnet_rt.rescoring.joint_head import JointEstimates, estimates_of, head_outputs
from rcnet_rt.rescoring.weights import Weights

__all__ = [
    "JointInputs",
    "Network",
    "joint_inputs",
    "no_joint_head",
    "refined_joints",
    "refined_scores",
]

Network = Callable[[Array, Array, Array], Array]
"""(P, D) features, (P,) base logits, (P,) image numbers -> (P,) scores in (0, 1)."""


class JointInputs(NamedTuple):
    """What a joint head reads of P poses, and what its estimates are in.

    Attributes:
        features: (P, 3K + 3 + D) as `joint_head.head_outputs` takes them.
        size: (P,) pixels.
        known: (P, K) whether the joint was found in a pose without fault.
    """

    features: Array
    size: Array
    known: Array


class _Rescored(NamedTuple):
    """Packed poses with the features (P, D) and the refined scores (P,) that they were given."""

    packed: PoseBatch
    features: Array | None
    refined: Array
    scores: Array


def refined_scores(
    inputs: PoseInputs, weights: Weights, network: Network | None
) -> tuple[Array, Array]:
    """Return refined scores (P,) in [0, 1], and which poses (P,) hold a fault.

    Poses that are faulty or below the floor are seen by no other. A faulty pose gets its raw score
    brought into [0, 1], NaN to 0.

    Args:
        inputs: the poses.
        weights: what to refine them with.
        network: the network of these weights; None if they are a baseline.
    """
    step = _rescore(inputs, weights, network)
    return step.scores, step.packed.faulty


def refined_joints(
    inputs: PoseInputs, weights: Weights, network: Network | None
) -> tuple[Array, Array, JointEstimates]:
    """Return what `refined_scores` does, and the estimates of the joints.

    Joints of a faulty pose have confidence 0 and covariance NaN, like those that were not found.

    Raises:
        WeightsError: the weights have no joint head.
    """
    if weights.joints is None:
        raise no_joint_head(weights.name)
    step = _rescore(inputs, weights, network)
    given = _joint_inputs(step, weights)
    outputs = head_outputs(weights.joints.like(given.size), given.features)
    confidence, entries = estimates_of(outputs, given.size, given.known)
    covariance = entries.reshape(-1, inputs.keypoints.shape[1], 2, 2)
    return step.scores, step.packed.faulty, JointEstimates(confidence, covariance)


def no_joint_head(name: str) -> WeightsError:
    """Return the error of weights that cannot estimate joints."""
    return WeightsError(
        f"weights {name!r} have no joint head; use weights that `rcnet-rt train` made with one, or "
        "shipped ones"
    )


def joint_inputs(inputs: PoseInputs, weights: Weights, network: Network) -> JointInputs:
    """Return what a joint head of these weights, which have a network, reads of the poses."""
    return _joint_inputs(_rescore(inputs, weights, network), weights)


def _joint_inputs(step: _Rescored, weights: Weights) -> JointInputs:
    assert step.features is not None
    packed, size = step.packed, pose_size(step.packed)
    own = joint_features(packed, step.refined, size)
    return JointInputs(
        namespace(size).concatenate([own, _standard(step.features, weights)], 1),
        size,
        packed.found & ~packed.faulty[:, None],
    )


def _rescore(inputs: PoseInputs, weights: Weights, network: Network | None) -> _Rescored:
    packed = fill(inputs, weights.embedding_size)
    xp = namespace(packed.scores)
    below = packed.scores < weights.floor
    poses = isolate(packed, packed.faulty | below)
    baseline = baselines.baseline_logit(weights.baseline, poses, weights.baseline_scale)
    if network is None:
        features, refined = None, _baseline_score(poses, baseline, weights)
    else:
        features = _features(poses, baseline, weights)
        refined = network(features, baseline, poses.image_index)
    if weights.calibration is not None:
        refined = weights.calibration(refined)
    if weights.floor > 0:
        low = xp.clip(packed.scores, 0, None) * (BELOW_FLOOR / weights.floor)
        refined = xp.where(below, low, BELOW_FLOOR + (1 - BELOW_FLOOR) * refined)
    raw = xp.clip(xp.where(xp.isnan(inputs.scores), 0.0, inputs.scores), 0, 1)
    return _Rescored(packed, features, refined, xp.where(packed.faulty, raw, refined))


def _baseline_score(poses: PoseBatch, baseline: Array, weights: Weights) -> Array:
    """The baseline's own value where it is bounded, free of the logit's clipping."""
    rule = baselines.get(weights.baseline)
    if rule.bounded:
        return namespace(baseline).clip(rule.compute(poses), 0, 1)
    return sigmoid(baseline)


def _features(poses: PoseBatch, baseline: Array, weights: Weights) -> Array:
    assert weights.skeleton is not None
    skeleton = skeletons.get(weights.skeleton)
    return feature_sets.get(weights.features).compute(poses, skeleton, baseline)


def _standard(features: Array, weights: Weights) -> Array:
    """Return the features as the score network standardises them."""
    xp = namespace(features)
    mean, deviation = (part.like(features) for part in weights.standardisation)
    standard = (features - mean) / deviation
    if not feature_sets.get(weights.features).complete:
        standard = xp.where(xp.isnan(standard), 0.0, standard)
    return xp.clip(standard, -CLIP, CLIP)
