"""torch on any device: eager is the reference of all backends; on a GPU, CUDA graphs of it."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from rcnet_rt.backends.cuda_graphs import CudaGraphs, Step
from rcnet_rt.backends.protocol import Refined
from rcnet_rt.errors import BackendError
from rcnet_rt.models import rcnet
from rcnet_rt.poses.arrays import as_tensor
from rcnet_rt.rescoring.inputs import PoseInputs, as_float64
from rcnet_rt.rescoring.joint_head import JointEstimates
from rcnet_rt.rescoring.rescore import refined_joints, refined_scores
from rcnet_rt.rescoring.weights import Weights

__all__ = ["TorchBackend"]

PROCESS = os.getpid()  # the one that imported this; a forked child has another


class TorchBackend:
    """Runs the step in torch; gives tensors on its device.

    Args:
        weights: with a network.
        device: as torch spells it.
        network: runs in place of the weights' own, if given.
        graphs: on a GPU, whether a frame is one launch of a CUDA graph.
    """

    name = "torch"

    def __init__(
        self,
        weights: Weights,
        device: str = "cpu",
        network: nn.Module | None = None,
        graphs: bool = True,
    ) -> None:
        own = network is None
        self._network = rcnet.on_device(rcnet.from_weights(weights), device) if own else network
        self._weights = weights
        self.device = device
        self._process = os.getpid()
        self._device_type = torch.device(device).type
        recorded = graphs and self._device_type == "cuda"
        self._graphs = CudaGraphs(self._eager, device) if recorded else None
        self._joint_graphs = CudaGraphs(self._eager_joints, device) if recorded else None

    def __call__(self, inputs: PoseInputs) -> Refined:
        """Refine the poses; see `Backend`.

        Raises:
            BackendError: this process was forked after the backend was opened on a GPU.
        """
        scores, faulty = self._run(inputs, self._eager, self._graphs)
        return Refined(scores, faulty)

    def with_joints(self, inputs: PoseInputs) -> Refined:
        """Refine the poses and estimate their joints; see `Backend`.

        Raises:
            BackendError: this process was forked after the backend was opened on a GPU.
        """
        scores, faulty, *joints = self._run(inputs, self._eager_joints, self._joint_graphs)
        return Refined(scores, faulty, joints=JointEstimates(*joints))

    def _run(self, inputs: PoseInputs, step: Step, graphs: CudaGraphs | None) -> tuple[Tensor, ...]:
        if os.getpid() != PROCESS:
            self._adapt_to_fork()
        with torch.inference_mode(), torch.autocast(self._device_type, enabled=False):
            inputs = inputs.map(lambda array: as_tensor(as_float64(array), device=self.device))
            if graphs is not None and graphs.fits(inputs):
                return graphs(inputs)
            return step(inputs)

    def _adapt_to_fork(self) -> None:
        """Do without what a forked child lacks: OpenMP's threads, and the parent's GPU context."""
        if self._device_type != "cpu":
            if os.getpid() != self._process:
                raise BackendError(
                    f"this process was forked after the weights were loaded on {self.device}, and "
                    "CUDA does not survive a fork; make the Refiner in the child, or start it by "
                    "'spawn'"
                )
        elif torch.get_num_threads() > 1:
            torch.set_num_threads(1)  # it would wait for ever for the parent's threads

    def _eager(self, inputs: PoseInputs) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            refined, faulty = refined_scores(inputs, self._weights, self._scores)
        return refined, faulty

    def _eager_joints(self, inputs: PoseInputs) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            refined, faulty, joints = refined_joints(inputs, self._weights, self._scores)
        return refined, faulty, joints.confidence, joints.covariance

    def _scores(self, features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        assert self._network is not None
        scores: Tensor = self._network(features.float(), baseline.float(), image_index.float())
        return scores.to(baseline.dtype)
