"""What the compiled kernels read of some weights, by the kernels' names."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.poses import skeletons
from rcnet_rt.rescoring.calibration import Calibration
from rcnet_rt.rescoring.weights import Weights

__all__ = ["flat_weights"]

NAMED = {
    "in_weight": "encoder.self_attn.in_proj_weight",
    "in_bias": "encoder.self_attn.in_proj_bias",
    "out_weight": "encoder.self_attn.out_proj.weight",
    "out_bias": "encoder.self_attn.out_proj.bias",
    "norm1": "encoder.norm1.weight",
    "norm1_bias": "encoder.norm1.bias",
    "up": "encoder.linear1.weight",
    "up_bias": "encoder.linear1.bias",
    "down": "encoder.linear2.weight",
    "down_bias": "encoder.linear2.bias",
    "norm2": "encoder.norm2.weight",
    "norm2_bias": "encoder.norm2.bias",
    "middle": "layers.3.weight",
    "middle_bias": "layers.3.bias",
    "head_bias": "head.bias",
    "mean": "standardise.mean",
    "deviation": "standardise.deviation",
}
FIRST = {"attention": "phi", "mlp": "layers.0"}


def flat_weights(weights: Weights) -> dict[str, npt.NDArray[Any]]:
    """Return the parameters, the steps of the calibration and the joints at the ends of links.

    Layers are (outputs, inputs) as torch keeps them, but `weight`, the first, is (inputs, outputs).
    `direct` leads from the features to the head. What an architecture lacks is a single zero.
    """
    config, own = weights.network_config(), weights.tensors
    assert weights.skeleton is not None
    skeleton = skeletons.get(weights.skeleton)
    zero, count = np.zeros(1), config.feature_count
    first = FIRST.get(config.architecture)
    links = np.array(skeleton.links, dtype=np.int32)
    calibration = weights.calibration or Calibration(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    start, width, rise = calibration.steps
    return {
        **{name: own.get(tensor, zero) for name, tensor in NAMED.items()},
        "weight": own[f"{first}.weight"].T if first else np.zeros((count, 1)),
        "bias": own[f"{first}.bias"] if first else zero,
        "head": own["head.weight"] if first else zero,
        "direct": own.get("shortcut.weight", np.zeros((1, count))) if first else own["head.weight"],
        "start": start,
        "width": width,
        "rise": rise,
        "first": links[:, 0],
        "second": links[:, 1],
    }
