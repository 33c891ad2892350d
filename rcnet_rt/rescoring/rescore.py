"""The whole step, from poses as they were given to refined scores: the reference of every backend.

Written for any kind of array. NumPy and torch run it; traced arrays write it down as an ONNX graph.
"""

from __future__ import annotations

from collections.abc import Callable

from rcnet_rt.poses import skeletons
from rcnet_rt.poses.arrays import Array, namespace, sigmoid
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring import features as feature_sets
from rcnet_rt.rescoring.batch import PoseBatch, fill, isolate
from rcnet_rt.rescoring.constants import BELOW_FLOOR
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.weights import Weights

__all__ = ["Network", "refined_scores"]

Network = Callable[[Array, Array, Array], Array]
"""(P, D) features, (P,) base logits, (P,) image numbers -> (P,) scores in (0, 1)."""


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
    packed = fill(inputs, weights.embedding_size)
    xp = namespace(packed.scores)
    below = packed.scores < weights.floor
    poses = isolate(packed, packed.faulty | below)
    baseline = baselines.baseline_logit(weights.baseline, poses, weights.baseline_scale)
    if network is None:
        refined = _baseline_score(poses, baseline, weights)
    else:
        refined = _network_score(poses, baseline, weights, network)
    if weights.calibration is not None:
        refined = weights.calibration(refined)
    if weights.floor > 0:
        low = xp.clip(packed.scores, 0, None) * (BELOW_FLOOR / weights.floor)
        refined = xp.where(below, low, BELOW_FLOOR + (1 - BELOW_FLOOR) * refined)
    raw = xp.clip(xp.where(xp.isnan(inputs.scores), 0.0, inputs.scores), 0, 1)
    return xp.where(packed.faulty, raw, refined), packed.faulty


def _baseline_score(poses: PoseBatch, baseline: Array, weights: Weights) -> Array:
    """The baseline's own value where it is bounded, free of the logit's clipping."""
    rule = baselines.get(weights.baseline)
    if rule.bounded:
        return namespace(baseline).clip(rule.compute(poses), 0, 1)
    return sigmoid(baseline)


def _network_score(poses: PoseBatch, baseline: Array, weights: Weights, network: Network) -> Array:
    assert weights.skeleton is not None
    skeleton = skeletons.get(weights.skeleton)
    features = feature_sets.get(weights.features).compute(poses, skeleton, baseline)
    return network(features, baseline, poses.image_index)
