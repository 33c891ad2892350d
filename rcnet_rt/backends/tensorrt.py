"""TensorRT, by torch_tensorrt: the network is an engine for this GPU; the other steps are torch's.

Engines are built on first use and kept in a cache by weights, GPU and versions, so that a stale one
is never met. One that does not give eager's numbers is dropped.
"""

from __future__ import annotations

import hashlib
import logging
import os
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rcnet_rt.backends.protocol import Backend
from rcnet_rt.backends.torch import TorchBackend
from rcnet_rt.datasets.jsonl import read
from rcnet_rt.demo_data import POSES as RECORDED
from rcnet_rt.errors import BackendError
from rcnet_rt.files.writing import atomic_file
from rcnet_rt.models import rcnet
from rcnet_rt.poses import skeletons
from rcnet_rt.rescoring.inputs import PoseInputs, inputs_of
from rcnet_rt.rescoring.weights import Weights

__all__ = [
    "MOST",
    "TOLERANCE",
    "engine_path",
    "exported_network",
    "largest_difference",
    "open_tensorrt",
    "save_engine",
]

# The engine is for 1 to MOST poses. It is traced with more than one, and best for USUAL: an engine
# whose best size is its least cannot be built (pytorch/TensorRT issue 4103).
USUAL, MOST = 20, 512
TOLERANCE = {True: 5e-3, False: 1e-4}  # of scores in [0, 1], by whether precision is half

logger = logging.getLogger(__name__)


class TensorRTBackend(TorchBackend):
    """The step in torch around a TensorRT engine."""

    name = "tensorrt"


def open_tensorrt(weights: Weights, device: str = "cuda") -> TorchBackend:
    """Return the backend, in half precision if that gives eager's numbers, else in single.

    If neither does, it is torch, with a warning.

    Raises:
        BackendError: torch_tensorrt or a GPU is missing.
    """
    torch_tensorrt = _torch_tensorrt()
    eager = TorchBackend(weights, device, graphs=False)
    for half in (True, False):
        path = engine_path(weights, device, half)
        if not path.is_file():
            logger.warning("building a TensorRT engine for %s, once: a minute or so", weights.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_engine(weights, path, device, half)
        engine = torch_tensorrt.load(str(path))
        network = _Bounded(engine.module(), weights, device)
        backend = TensorRTBackend(weights, device, network, graphs=False)
        difference = largest_difference(backend, eager, weights)
        if difference <= TOLERANCE[half]:
            return backend
        warnings.warn(
            f"the TensorRT engine {path} differs from eager by {difference:.2g}, more than "
            f"{TOLERANCE[half]}: {'single precision' if half else 'torch'} runs instead",
            stacklevel=2,
        )
    return TorchBackend(weights, device)


def save_engine(weights: Weights, path: Path, device: str = "cuda", half: bool = True) -> None:
    """Build an engine for this GPU and write it, whole or not at all.

    Raises:
        BackendError: torch_tensorrt or a GPU is missing.
        OutputError: the file cannot be written.
    """
    torch_tensorrt = _torch_tensorrt()
    exported, example = exported_network(weights, half, device)
    shapes = [[(count, *value.shape[1:]) for count in (1, USUAL, MOST)] for value in example]
    inputs = [
        torch_tensorrt.Input(min_shape=least, opt_shape=usual, max_shape=most, dtype=value.dtype)
        for (least, usual, most), value in zip(shapes, example, strict=True)
    ]
    engine = torch_tensorrt.dynamo.compile(exported, arg_inputs=inputs, min_block_size=1)
    with atomic_file(path) as partial:
        torch_tensorrt.save(
            engine, str(partial), arg_inputs=example, dynamic_shapes=_dynamic_shapes()
        )


def exported_network(weights: Weights, half: bool, device: str) -> tuple[Any, tuple[Tensor, ...]]:
    """Return torch's exported program of the network for 1 to `MOST` poses, and inputs for it."""
    network = _Precise(rcnet.from_weights(weights), half).to(device)
    features = torch.randn(USUAL, weights.network_config().feature_count, device=device)
    example = features, features[:, 0].clone(), torch.zeros(USUAL, device=device)
    return torch.export.export(network, example, dynamic_shapes=_dynamic_shapes()), example


def engine_path(weights: Weights, device: str, half: bool) -> Path:
    """Return where the engine of these weights for this GPU and these versions is kept."""
    content = hashlib.sha256(repr(weights.network_config()).encode())
    for name in sorted(weights.tensors):
        content.update(np.ascontiguousarray(weights.tensors[name]).tobytes())
    versions = [version(name) for name in ("torch", "torch-tensorrt", "tensorrt")]
    gpu = torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device)
    content.update(repr((versions, gpu, half, MOST)).encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "rcnet-rt" / f"{weights.name}-{content.hexdigest()[:16]}.ep"


class _Precise(nn.Module):
    """The network in half or single precision with single precision in and out."""

    def __init__(self, network: nn.Module, half: bool) -> None:
        super().__init__()
        self.network = network.half() if half else network
        self.real = torch.float16 if half else torch.float32

    def forward(self, features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        scores: Tensor = self.network(features.to(self.real), baseline.to(self.real), image_index)
        return scores.float()


class _Bounded(nn.Module):
    """The engine for as many poses as it takes, eager beyond."""

    def __init__(self, engine: nn.Module, weights: Weights, device: str) -> None:
        super().__init__()
        self.engine, self.eager = engine, rcnet.on_device(rcnet.from_weights(weights), device)

    def forward(self, features: Tensor, baseline: Tensor, image_index: Tensor) -> Tensor:
        chosen = self.engine if 0 < len(baseline) <= MOST else self.eager
        scores: Tensor = chosen(features, baseline, image_index)
        return scores


def largest_difference(backend: Backend, other: Backend, weights: Weights) -> float:
    """Return how far two backends are apart on random poses and, on coco17, on the demo's own."""
    assert weights.skeleton is not None
    joints = len(skeletons.get(weights.skeleton).keypoints)
    rng = np.random.default_rng(0)
    samples = [
        PoseInputs(rng.uniform(0, 500, (n, joints, 2)), rng.random(n), rng.random((n, joints)))
        for n in (1, 2, USUAL, MOST)
    ]
    if weights.skeleton == "coco17":
        samples += [inputs_of(frame.poses) for frame in read(RECORDED)[1] if len(frame.poses)]
    return max(
        float(torch.max(torch.abs(backend(inputs)[0] - other(inputs)[0]))) for inputs in samples
    )


def _dynamic_shapes() -> tuple[dict[int, Any], ...]:
    poses = torch.export.Dim("poses", min=1, max=MOST)
    return ({0: poses}, {0: poses}, {0: poses})


def _torch_tensorrt() -> Any:
    try:
        import torch_tensorrt
    except (ImportError, OSError) as error:  # its libraries may be missing though it is there
        raise BackendError(
            f"backend tensorrt needs torch_tensorrt: pip install 'rcnet-rt[tensorrt]' ({error})"
        ) from error
    if not torch.cuda.is_available():
        raise BackendError("backend tensorrt needs a GPU that torch can use")
    return torch_tensorrt
