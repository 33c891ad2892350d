"""Weights cut down to poses of which no signal is known: the same scores from fewer features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rcnet_rt.poses import skeletons
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.rescoring import features as feature_sets
from rcnet_rt.rescoring.batch import pack
from rcnet_rt.rescoring.constants import CLIP
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.joint_head import JointHead
from rcnet_rt.rescoring.weights import Weights

__all__ = ["prune_signals"]

WITH, WITHOUT = "signals", "full"  # the second is how the first begins
FIRST_LAYER = {"attention": "phi", "mlp": "layers.0", "linear": "head"}


def prune_signals(weights: Weights) -> Weights:
    """Return weights that refine poses without consensus and agreement as these do.

    What the network and the joint head make of signals that are not known is the same for every
    pose: it goes into the bias of the layers that read the features.
    """
    config = weights.network
    if config is None or weights.features != WITH:
        return weights
    unknown = _unknown(weights)
    count = feature_sets.get(WITHOUT).size(_skeleton(weights))
    tensors = dict(weights.tensors)
    for part in ("mean", "deviation"):
        tensors[f"standardise.{part}"] = tensors[f"standardise.{part}"][:count]
    first = FIRST_LAYER[config.architecture]
    layers = [(first, first), ("shortcut", "head")] if config.shortcut else [(first, first)]
    for layer, biased in layers:  # the shortcut has no bias, and is added to the head
        weight, bias = tensors[f"{layer}.weight"], tensors[f"{biased}.bias"]
        tensors[f"{layer}.weight"] = np.ascontiguousarray(weight[:, :count])
        constant = weight[:, count:] @ unknown[count:]
        tensors[f"{biased}.bias"] = (bias + constant).astype(np.float32)
    network = replace(config, feature_count=count)
    joints = None if weights.joints is None else _pruned_head(weights.joints, count, unknown)
    return replace(weights, features=WITHOUT, network=network, tensors=tensors, joints=joints)


def _pruned_head(head: JointHead, count: int, unknown: npt.NDArray[np.float64]) -> JointHead:
    tensors, signals = dict(head.tensors), len(unknown) - count
    weight, bias = tensors["layers.0.weight"], tensors["layers.0.bias"]
    tensors["layers.0.weight"] = np.ascontiguousarray(weight[:, :-signals])
    constant = weight[:, -signals:] @ unknown[count:]
    tensors["layers.0.bias"] = (bias + constant).astype(np.float32)
    return replace(head, tensors=tensors)


def _unknown(weights: Weights) -> npt.NDArray[np.float64]:
    """Return the (D,) standardised features of a pose of which nothing is known."""
    skeleton = _skeleton(weights)
    nobody = PoseInputs(np.full((1, len(skeleton.keypoints), 2), np.nan), np.zeros(1))
    row = feature_sets.get(weights.features).compute(pack(nobody), skeleton, np.zeros(1))[0]
    mean, deviation = (weights.tensors[f"standardise.{part}"] for part in ("mean", "deviation"))
    standard: npt.NDArray[np.float64] = np.nan_to_num((row - mean) / deviation)
    return standard.clip(-CLIP, CLIP)


def _skeleton(weights: Weights) -> Skeleton:
    assert weights.skeleton is not None
    return skeletons.get(weights.skeleton)
