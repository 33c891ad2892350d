"""Triton: the whole step for a frame in one launch; what its kernel does not know is torch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rcnet_rt import features, skeletons
from rcnet_rt.arrays import Array, as_tensor
from rcnet_rt.backends.torch import TorchBackend
from rcnet_rt.backends.triton_kernel import refine_frame
from rcnet_rt.calibration import Calibration
from rcnet_rt.given import GivenPoses
from rcnet_rt.model_config import CLIP
from rcnet_rt.model_weights import Weights
from rcnet_rt.packing import LARGEST
from rcnet_rt.step import BELOW_FLOOR

__all__ = ["TritonBackend"]

FEATURES = ("dekr", "paper", "full")  # each holds those before it
BASES = ("score", "score_times_confidence", "score_times_joints")
MOST = 32  # poses of a frame; more would not fit the memory of most GPUs' cores
WARPS = 8
LEAST = 16  # side of a matrix that a GPU multiplies


class TritonBackend:
    """Runs frames of up to 32 poses in one launch; gives tensors on its device.

    Many pictures at once, other feature sets and formulas go to torch. The kernel is
    compiled at the first frame of up to 16 poses and the first of more, once a machine: Triton
    keeps it.
    """

    name = "triton"

    def __init__(self, weights: Weights, device: str = "cuda") -> None:
        self.device = device
        self._torch = TorchBackend(weights, device)
        self._known = weights.features in FEATURES and weights.base in BASES
        self._tensors = {} if not self._known else _tensors(weights, device)
        self._sizes = {} if not self._known else _sizes(weights)

    def __call__(self, given: GivenPoses) -> tuple[Array, Array]:
        """Refine the poses; see `Backend`."""
        count = len(given.scores)
        if not self._known or given.picture is not None or not 0 < count <= MOST:
            return self._torch(given)
        arrays = [self._single(array) for array in given[:4]]
        refined = torch.empty(count, dtype=torch.float32, device=self.device)
        faulty = torch.empty(count, dtype=torch.bool, device=self.device)
        keypoints, scores, joint_scores, boxes = arrays
        refine_frame[(1,)](
            keypoints,
            scores,
            scores if joint_scores is None else joint_scores,
            scores if boxes is None else boxes,
            refined,
            faulty,
            count,
            **self._tensors,
            **self._sizes,
            P=max(LEAST, _power_of_two(count)),
            HAS_JOINT_SCORES=joint_scores is not None,
            HAS_BOXES=boxes is not None,
            num_warps=WARPS,
        )
        return refined, faulty

    def _single(self, array: Array | None) -> Tensor | None:
        if array is None:
            return None
        tensor: Tensor = as_tensor(array, dtype=torch.float32, device=self.device)
        return tensor.contiguous()


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def _sizes(weights: Weights) -> dict[str, Any]:
    """Return the kernel's constants."""
    config = weights.network_config()
    assert weights.skeleton is not None
    skeleton = skeletons.get(weights.skeleton)
    joints, links = len(skeleton.keypoints), len(skeleton.links)
    linear = config.architecture == "linear"
    hidden = 1 if linear else config.hidden
    padded = {"KP": joints, "LP": links, "HP": hidden, "FP": min(config.feedforward, 64)}
    return {
        **{name: max(LEAST, _power_of_two(size)) for name, size in padded.items()},
        "M": LEAST if weights.calibration is None else _knots(weights.calibration),
        "K": joints,
        "L": links,
        "H": hidden,
        "F": config.feedforward,
        "UNIT_A": skeleton.unit[0],
        "UNIT_B": skeleton.unit[1],
        "FEATURES": FEATURES.index(weights.features),
        "BASE": weights.base,
        "BASE_SCALE": weights.base_scale,
        "ARCHITECTURE": config.architecture,
        "RESIDUAL": config.output == "residual",
        "FLOOR": weights.floor,
        "BELOW_FLOOR": BELOW_FLOOR,
        "CLIP": CLIP,
        "EQUAL": features.EQUAL,
        "LARGEST": LARGEST,
    }


def _knots(calibration: Calibration) -> int:
    return max(LEAST, _power_of_two(len(calibration.inputs) - 1))


def _tensors(weights: Weights, device: str) -> dict[str, Tensor]:
    """Return what the kernel reads, by its names; what an architecture lacks is a single zero."""
    config, own = weights.network_config(), weights.tensors
    assert weights.skeleton is not None
    skeleton = skeletons.get(weights.skeleton)
    zero, count = np.zeros(1), features.get(weights.features).size(skeleton)
    first_layer = {"attention": "phi", "mlp": "layers.0"}.get(config.architecture)
    linear = first_layer is None
    named = {
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
    direct = own["head.weight"] if linear else own.get("shortcut.weight", np.zeros((1, count)))
    arrays = {
        **{name: own.get(tensor, zero) for name, tensor in named.items()},
        "weight": np.zeros((count, 1)) if linear else own[f"{first_layer}.weight"].T,
        "bias": zero if linear else own[f"{first_layer}.bias"],
        "head": zero if linear else own["head.weight"],
        "direct": direct,
        **_steps(weights.calibration),
    }
    tensors = {
        name: torch.tensor(np.ascontiguousarray(array), dtype=torch.float32, device=device)
        for name, array in arrays.items()
    }
    ends = np.array(skeleton.links, dtype=np.int32)
    return tensors | {
        "first": torch.tensor(ends[:, 0], device=device),
        "second": torch.tensor(ends[:, 1], device=device),
    }


def _steps(calibration: Calibration | None) -> dict[str, np.ndarray[Any, Any]]:
    """Return the calibration's steps, padded with steps that no score reaches."""
    if calibration is None:
        calibration = Calibration(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    start, width, rise = calibration.steps
    padding = np.zeros(_knots(calibration) - len(start))
    return {
        "start": np.concatenate([start, padding + 2]),
        "width": np.concatenate([width, padding + 1]),
        "rise": np.concatenate([rise, padding]),
    }
