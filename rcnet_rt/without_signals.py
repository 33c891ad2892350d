"""Weights cut down to poses of which no signal is known: the same scores from fewer features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rcnet_rt import features as feature_sets
from rcnet_rt import skeletons
from rcnet_rt.model_config import CLIP
from rcnet_rt.packing import pack
from rcnet_rt.weights import Weights

__all__ = ["without_signals"]

WITH, WITHOUT = "signals", "full"  # the second is how the first begins
FIRST_LAYER = {"attention": "phi", "mlp": "layers.0", "linear": "head"}


def without_signals(weights: Weights) -> Weights:
    """Return weights that refine poses without consensus and agreement as these do.

    What the network makes of signals that are not known is the same for every pose: it goes into
    the bias of the first layer.
    """
    if weights.network is None or weights.features != WITH:
        return weights
    assert weights.skeleton is not None
    count = feature_sets.get(WITHOUT).size(skeletons.get(weights.skeleton))
    tensors, unknown = dict(weights.tensors), _unknown(weights)[count:]
    layers = {FIRST_LAYER[weights.network.architecture]: FIRST_LAYER[weights.network.architecture]}
    if weights.network.shortcut:
        layers["shortcut"] = "head"  # it has no bias of its own, and is added to the head
    for layer, biased in layers.items():
        weight, bias = tensors[f"{layer}.weight"], tensors[f"{biased}.bias"]
        tensors[f"{layer}.weight"] = np.ascontiguousarray(weight[:, :count])
        tensors[f"{biased}.bias"] = (bias + weight[:, count:] @ unknown).astype(np.float32)
    for part in ("mean", "deviation"):
        tensors[f"standardise.{part}"] = tensors[f"standardise.{part}"][:count]
    network = replace(weights.network, feature_count=count)
    return replace(weights, features=WITHOUT, network=network, tensors=tensors)


def _unknown(weights: Weights) -> npt.NDArray[np.float64]:
    """Return the (D,) standardised features of a pose of which nothing is known."""
    assert weights.skeleton is not None
    skeleton = skeletons.get(weights.skeleton)
    poses = pack(np.full((1, len(skeleton.keypoints), 2), np.nan), np.zeros(1))
    row = feature_sets.get(weights.features).compute(poses, skeleton, np.zeros(1))[0]
    return _standardised(row, weights.tensors)


def _standardised(
    row: npt.NDArray[np.float64], tensors: Mapping[str, npt.NDArray[np.float32]]
) -> npt.NDArray[np.float64]:
    mean, deviation = (tensors[f"standardise.{part}"] for part in ("mean", "deviation"))
    return np.nan_to_num((row - mean) / deviation).clip(-CLIP, CLIP)
