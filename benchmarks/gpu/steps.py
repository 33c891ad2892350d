"""The step of every backend that works on a device: poses in, scores out."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import Results
from benchmarks.gpu.measuring import attempt, on_device, on_gpu
from rcnet_rt.backends import choice
from rcnet_rt.backends.protocol import Backend
from rcnet_rt.backends.torch import TorchBackend
from rcnet_rt.models import rcnet
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.rescore import refined_scores
from rcnet_rt.rescoring.weights import Weights

__all__ = ["MAIN", "Step", "plain_step", "shipped", "steps"]

MAIN = "yolo-pose"
Step = Callable[[PoseInputs], Any]  # NumPy or tensors in, scores out; it need not wait for the GPU


def shipped() -> dict[str, Weights]:
    """Return the shipped weights by name, `MAIN` first."""
    names = sorted(weights_io.available(), key=lambda name: (name != MAIN, name))
    return {name: _weights(name) for name in names}


def plain_step(weights: Weights, device: str, dtype: torch.dtype) -> Callable[[PoseInputs], Tensor]:
    """Return the step in torch, all of it in one precision; in double on a CPU the reference."""
    network = rcnet.on_device(rcnet.from_weights(weights), device).to(dtype)

    def step(inputs: PoseInputs) -> Tensor:
        with torch.inference_mode():
            scores: Tensor = refined_scores(on_device(inputs, device, dtype), weights, network)[0]
        return scores

    return step


@lru_cache
def steps(name: str, device: str) -> tuple[dict[str, Step], Results]:
    """Return the step of each backend with shipped weights, and why others are absent.

    "refiner" is `Refiner.refine` with torch, checks included.
    """
    weights = _weights(name)
    working: dict[str, Step] = {}
    absent: Results = {}
    for backend, make in _makers(weights, device).items():
        made = attempt(make)
        if isinstance(made, dict):
            absent[backend] = made
        else:
            working[backend] = made
    for backend in choice.NAMES:
        lacking = choice.missing(backend, device)
        if lacking:
            absent[backend] = {"absent": lacking}
    return working, absent


@lru_cache
def _weights(name: str) -> Weights:
    return weights_io.find(name)


def _makers(weights: Weights, device: str) -> dict[str, Callable[[], Step]]:
    makers = {"eager": lambda: _scores_of(TorchBackend(weights, device, graphs=False))}
    if on_gpu(device):
        makers["cuda graphs"] = lambda: _scores_of(TorchBackend(weights, device))
    makers["refiner"] = lambda: _refiner_step(Refiner(weights, device=device, backend="torch"))
    for name in choice.NAMES:
        if name not in ("auto", "torch") and not choice.missing(name, device):
            makers[name] = lambda name=name: _scores_of(_opened(weights, name, device))
    return makers


def _opened(weights: Weights, name: str, device: str) -> Backend:
    backend = choice.open_backend(weights, name, device)
    if backend.name != name:
        raise RuntimeError(f"{backend.name} runs in its place; the warning above says why")
    return backend


def _scores_of(backend: Backend) -> Step:
    return lambda inputs: backend(inputs).scores


def _refiner_step(refiner: Refiner) -> Step:
    return lambda inputs: refiner.refine(
        inputs.keypoints,
        inputs.scores,
        keypoint_scores=inputs.keypoint_scores,
        boxes=inputs.boxes,
        image_size=inputs.image_size,
        consensus=inputs.consensus,
        agreement=inputs.agreement,
        on_mistake="ignore",
    )
