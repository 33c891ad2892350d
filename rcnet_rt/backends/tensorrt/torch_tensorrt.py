"""torch-tensorrt and torch-tensorrt-rtx: the network is an engine, the other steps are torch's.

Both install the module `torch_tensorrt`, each release for one release of torch (2.11 to 2.14).
Not run on hardware yet: every call exists in the wheels with the keywords used here.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rcnet_rt.backends.protocol import Backend
from rcnet_rt.backends.tensorrt.gpus import (
    INSTALL_TENSORRT,
    gpu_of,
    installed_version,
    is_rtx,
)
from rcnet_rt.backends.tensorrt.protocol import Gpu
from rcnet_rt.backends.tensorrt.records import EngineRecord, weights_hash, write_engine
from rcnet_rt.backends.torch import TorchBackend
from rcnet_rt.errors import BackendError
from rcnet_rt.models import rcnet
from rcnet_rt.rescoring.weights import Weights

__all__ = ["LIBRARIES", "POSES", "TorchTensorRT", "exported_network", "save_engine"]

# Minimum, usual and maximum number of poses. The network is traced with the usual number: an engine
# whose usual number is its minimum cannot be built (pytorch/TensorRT issue 4103).
POSES = (1, 20, 512)
TOLERANCE = {True: 5e-3, False: 1e-4}  # of scores in [0, 1], by whether precision is half


@dataclass(frozen=True)
class TorchTensorRT:
    """torch-tensorrt in one precision; see `protocol.Library`.

    Attributes:
        package: as pip spells it.
        half: whether it computes in half precision.
    """

    package: str
    half: bool
    max_poses: int = POSES[-1]

    @property
    def name(self) -> str:
        """The package and its precision."""
        return f"{self.package} in {'half' if self.half else 'single'} precision"

    @property
    def tolerance(self) -> float:
        """See `protocol.Library`."""
        return TOLERANCE[self.half]

    @property
    def install(self) -> str:
        """See `protocol.Library`."""
        return f"pip install {self.package}" if self._for_rtx else INSTALL_TENSORRT

    def supports(self, gpu: Gpu) -> bool:
        """See `protocol.Library`."""
        return is_rtx(gpu) or not self._for_rtx

    def version(self) -> str:
        """See `protocol.Library`."""
        if not installed_version(self.package):
            return ""
        names = (self.package, "tensorrt-rtx" if self._for_rtx else "tensorrt", "torch")
        return ", ".join(f"{name} {installed_version(name) or 'missing'}" for name in names)

    @property
    def _for_rtx(self) -> bool:
        return self.package.endswith("-rtx")

    def build(self, weights: Weights, path: Path, gpu: Gpu) -> None:
        """See `protocol.Library`."""
        torch_tensorrt = self._imported()
        exported, example = exported_network(weights, self.half, gpu.device)
        shapes = [[(count, *value.shape[1:]) for count in POSES] for value in example]
        inputs = [
            torch_tensorrt.Input(min_shape=low, opt_shape=usual, max_shape=high, dtype=value.dtype)
            for (low, usual, high), value in zip(shapes, example, strict=True)
        ]
        engine = torch_tensorrt.dynamo.compile(exported, arg_inputs=inputs, min_block_size=1)

        def write(partial: Path) -> None:
            torch_tensorrt.save(
                engine, str(partial), arg_inputs=example, dynamic_shapes=_dynamic_shapes()
            )

        write_engine(path, write, self._record(weights, gpu, example))

    def load(self, path: Path, weights: Weights, gpu: Gpu) -> Backend:
        """See `protocol.Library`."""
        torch_tensorrt = self._imported()
        engine = torch_tensorrt.load(str(path))
        network = _Bounded(engine.module(), weights, gpu.device)
        return _TorchTensorRTBackend(weights, gpu.device, network, graphs=False)

    def _imported(self) -> Any:
        """Return the module, which prints where TensorRT's own libraries are missing."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                import torch_tensorrt
        except (ImportError, OSError, RuntimeError) as error:
            raise BackendError(
                f"{self.package} cannot be imported ({type(error).__name__}: {error}); "
                f"{self.install}"
            ) from error
        return torch_tensorrt

    def _record(
        self, weights: Weights, gpu: Gpu, example: tuple[Tensor, Tensor, Tensor]
    ) -> EngineRecord:
        names = ("features", "baseline", "image_index")
        return EngineRecord(
            self.name,
            self.version(),
            weights.name,
            weights_hash(weights),
            (gpu.capability,),
            gpu.name,
            POSES,
            {name: (-1, *value.shape[1:]) for name, value in zip(names, example, strict=True)},
            {"scores": (-1,)},
        )


LIBRARIES = tuple(
    TorchTensorRT(package, half)
    for package in ("torch-tensorrt", "torch-tensorrt-rtx")
    for half in (True, False)
)


def save_engine(weights: Weights, path: Path, device: str = "cuda") -> None:
    """Write an engine of torch-tensorrt for this GPU in half precision, and FILE.json beside it.

    Raises:
        WeightsError: the weights are a baseline.
        BackendError: torch-tensorrt or a GPU is missing.
        OutputError: a file cannot be written.
    """
    weights.network_config()
    library = LIBRARIES[0]
    if not library.version():
        raise BackendError(f"{library.package} is not installed: {library.install}")
    if not torch.cuda.is_available():
        raise BackendError(
            "an engine of torch-tensorrt is built on the GPU that it is for, and torch can use none"
        )
    library.build(weights, path, gpu_of(device))


class _TorchTensorRTBackend(TorchBackend):
    """The step in torch around an engine of the network."""

    name = "tensorrt"


def exported_network(
    weights: Weights, half: bool, device: str
) -> tuple[Any, tuple[Tensor, Tensor, Tensor]]:
    """Return torch's exported program of the network for any number of poses, and its inputs."""
    network = _Precise(rcnet.from_weights(weights), half).to(device)
    usual = POSES[1]
    features = torch.randn(usual, weights.network_config().feature_count, device=device)
    example = features, features[:, 0].clone(), torch.zeros(usual, device=device)
    return torch.export.export(network, example, dynamic_shapes=_dynamic_shapes()), example


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
        chosen = self.engine if 0 < len(baseline) <= POSES[-1] else self.eager
        scores: Tensor = chosen(features, baseline, image_index)
        return scores


def _dynamic_shapes() -> tuple[dict[int, Any], ...]:
    poses = torch.export.Dim("poses", min=POSES[0], max=POSES[-1])
    return ({0: poses}, {0: poses}, {0: poses})
