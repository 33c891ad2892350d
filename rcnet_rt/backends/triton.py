"""Triton: the whole step for a frame in one launch; what its kernel does not know is torch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rcnet_rt.backends.flat_weights import flat_weights
from rcnet_rt.backends.torch import TorchBackend
from rcnet_rt.backends.triton_kernel import refine_frame
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.arrays import Array, as_tensor
from rcnet_rt.rescoring import features, score_reference
from rcnet_rt.rescoring.batch import LARGEST
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.network_config import CLIP
from rcnet_rt.rescoring.rescore import BELOW_FLOOR
from rcnet_rt.rescoring.weights import Weights

__all__ = ["TritonBackend"]

FEATURES = ("dekr", "paper", "full")  # each holds those before it
BASES = ("score", "score_times_confidence", "score_times_joints")
MOST = 32  # poses of a frame; more would not fit the memory of most GPUs' cores
WARPS = 8
LEAST = 16  # side of a matrix that a GPU multiplies
BEYOND = {"start": 2.0, "width": 1.0, "rise": 0.0}  # a step of a calibration that no score reaches


class TritonBackend:
    """Runs frames of up to 32 poses in one launch; gives tensors on its device.

    Many images at once, other feature sets and baselines go to torch. The kernel is
    compiled at the first frame of up to 16 poses and the first of more, once a machine: Triton
    keeps it.
    """

    name = "triton"

    def __init__(self, weights: Weights, device: str = "cuda") -> None:
        self.device = device
        self._torch = TorchBackend(weights, device)
        self._known = weights.features in FEATURES and weights.baseline in BASES
        self._tensors = {} if not self._known else _tensors(weights, device)
        self._sizes = {} if not self._known else _sizes(weights, self._tensors)

    def __call__(self, given: PoseInputs) -> tuple[Array, Array]:
        """Refine the poses; see `Backend`."""
        count = len(given.scores)
        if not self._known or given.image_index is not None or not 0 < count <= MOST:
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


def _sizes(weights: Weights, tensors: dict[str, Tensor]) -> dict[str, Any]:
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
        "M": len(tensors["start"]),
        "K": joints,
        "L": links,
        "H": hidden,
        "F": config.feedforward,
        "UNIT_A": skeleton.unit[0],
        "UNIT_B": skeleton.unit[1],
        "FEATURES": FEATURES.index(weights.features),
        "BASE": weights.baseline,
        "BASE_SCALE": weights.baseline_scale,
        "ARCHITECTURE": config.architecture,
        "RESIDUAL": config.output == "residual",
        "FLOOR": weights.floor,
        "BELOW_FLOOR": BELOW_FLOOR,
        "CLIP": CLIP,
        "EQUAL": features.EQUAL,
        "CONFIDENT": score_reference.CONFIDENT,
        "LARGEST": LARGEST,
    }


def _tensors(weights: Weights, device: str) -> dict[str, Tensor]:
    """Return what the kernel reads, by its names."""
    arrays = flat_weights(weights)
    knots = len(arrays["start"])
    more = max(LEAST, _power_of_two(knots)) - knots
    for name, value in BEYOND.items():
        arrays[name] = np.pad(arrays[name], (0, more), constant_values=value)
    return {
        name: torch.tensor(
            np.ascontiguousarray(array),
            dtype=torch.int32 if name in ("first", "second") else torch.float32,
            device=device,
        )
        for name, array in arrays.items()
    }
