"""TensorRT and TensorRT for RTX by their own Python API: one engine for the whole step.

Not run on hardware yet; engines of TensorRT for RTX were built, without a GPU.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rcnet_rt.backends.protocol import Backend
from rcnet_rt.backends.tensorrt.gpus import (
    INSTALL_RTX,
    INSTALL_TENSORRT,
    installed_version,
    is_rtx,
)
from rcnet_rt.backends.tensorrt.onnx_engine import POSES, build_plan, chosen_capabilities
from rcnet_rt.backends.tensorrt.protocol import Gpu
from rcnet_rt.backends.tensorrt.records import (
    EngineRecord,
    read_record,
    weights_hash,
    write_engine,
)
from rcnet_rt.errors import BackendError
from rcnet_rt.rescoring.weights import Weights

__all__ = ["TENSORRT", "TENSORRT_RTX", "NativeLibrary", "export_engine"]


@dataclass(frozen=True)
class NativeLibrary:
    """TensorRT's own Python API; see `protocol.Library`.

    Attributes:
        name: of the package.
        module: that it installs.
        for_rtx: whether it is the edition for RTX GPUs, whose engines are built without the GPU.
    """

    name: str
    module: str
    for_rtx: bool
    max_poses: int = POSES[-1]
    tolerance: float = 1e-4

    @property
    def install(self) -> str:
        """See `protocol.Library`."""
        return INSTALL_RTX if self.for_rtx else INSTALL_TENSORRT

    def supports(self, gpu: Gpu) -> bool:
        """See `protocol.Library`."""
        return is_rtx(gpu) or not self.for_rtx

    def version(self) -> str:
        """See `protocol.Library`."""
        return installed_version(self.name)

    def build(self, weights: Weights, path: Path, gpu: Gpu) -> None:
        """See `protocol.Library`."""
        trt = self.imported()
        wanted = chosen_capabilities(trt, (gpu.capability,)) if self.for_rtx else ()
        self.write(weights, path, wanted, gpu)

    def write(
        self, weights: Weights, path: Path, capabilities: Sequence[str], gpu: Gpu | None = None
    ) -> EngineRecord:
        """Build and write an engine with its record, for those capabilities or else for the GPU."""
        from rcnet_rt.backends.onnx_graph import exported_graph

        model = exported_graph(weights, {}).SerializeToString()
        plan = build_plan(self.imported(), model, capabilities)
        record = EngineRecord(
            self.name,
            self.version(),
            weights.name,
            weights_hash(weights),
            tuple(capabilities) or ((gpu.capability,) if gpu else ()),
            "" if self.for_rtx or gpu is None else gpu.name,
            POSES,
            plan.inputs,
            plan.outputs,
        )
        return write_engine(path, lambda partial: partial.write_bytes(plan.content), record)

    def load(self, path: Path, weights: Weights, gpu: Gpu) -> Backend:
        """See `protocol.Library`."""
        from rcnet_rt.backends.tensorrt.engine_runner import (
            EngineBackend,
            EngineRunner,
            SideStream,
        )
        from rcnet_rt.backends.torch import TorchBackend

        record = read_record(path)
        stream = SideStream(gpu.device)
        runner = EngineRunner(self.imported(), path.read_bytes(), record, gpu.device, stream)
        return EngineBackend(runner, record, weights, TorchBackend(weights, gpu.device))

    def imported(self) -> Any:
        """Return the module.

        Raises:
            BackendError: it is not installed, or its libraries are missing.
        """
        try:
            return importlib.import_module(self.module)
        except (ImportError, OSError, RuntimeError) as error:
            raise BackendError(
                f"{self.name} cannot be imported ({type(error).__name__}: {error}); {self.install}"
            ) from error


TENSORRT_RTX = NativeLibrary("tensorrt-rtx", "tensorrt_rtx", for_rtx=True)
TENSORRT = NativeLibrary("tensorrt", "tensorrt", for_rtx=False)


def export_engine(weights: Weights, path: Path, capabilities: Sequence[str] = ()) -> EngineRecord:
    """Write an engine of TensorRT for RTX, and FILE.json beside it; no GPU is needed.

    Raises:
        WeightsError: the weights are a baseline.
        BackendError: the library is missing, or does not build for a compute capability.
        OutputError: a file cannot be written.
    """
    weights.network_config()
    wanted = chosen_capabilities(TENSORRT_RTX.imported(), capabilities)
    return TENSORRT_RTX.write(weights, path, wanted)
