"""ONNX models of images, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.errors import EstimatorError, missing_package
from rcnet_rt.estimators.failures import explained
from rcnet_rt.estimators.network import Floats, Planes
from rcnet_rt.poses.frame import Image
from rcnet_rt.privacy import disable_telemetry

__all__ = ["OnnxNetwork"]

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class OnnxNetwork:
    """An `.onnx` file with one image as its input, (batch, 3, height, width); thread-safe.

    Args:
        path: of the file.
        device: "auto" takes CUDA where onnxruntime has it; "cpu", "cuda", "cuda:1", …
        streams: how many threads will call it at once.
        threads: on the CPU, of all streams; None leaves it to onnxruntime: all cores.

    Attributes:
        streams: as given, 1 where it does not run on the CPU.
        name: the file's name.
        input_size: (height, width); None where the file leaves it open.
        metadata: what the file says of itself.
        half: whether it computes in half precision.

    Raises:
        EstimatorError: onnxruntime is not installed, the device is not here, or the file is
            damaged or takes no image.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        device: str = "auto",
        streams: int = 1,
        threads: int | None = None,
    ) -> None:
        self.name = Path(path).name
        library = _library()
        options = library.SessionOptions()
        options.log_severity_level = 3  # errors, which are raised, too
        if threads is not None:
            options.intra_op_num_threads = max(1, threads // streams)
        providers = _providers(device, library.get_available_providers())
        self.streams = streams if providers == [CPU] else 1
        with explained(f"{path} cannot be loaded", "check that it is an ONNX model"):
            self._session = library.InferenceSession(str(path), options, providers=providers)
            given = self._session.get_inputs()
            self.metadata: Mapping[str, Any] = self._session.get_modelmeta().custom_metadata_map
        if len(given) != 1 or len(given[0].shape) != 4 or given[0].shape[1] != 3:
            raise EstimatorError(
                f"{path} takes inputs of shape {[each.shape for each in given]}, "
                "expected one image, [batch, 3, height, width]"
            )
        batch, _, height, width = given[0].shape
        fixed = isinstance(height, int) and isinstance(width, int)
        self.input_size = (height, width) if fixed else None
        self.half = "float16" in given[0].type
        self._input = given[0].name
        self._planes = Planes(batch if isinstance(batch, int) else 1)

    def run(self, image_rgb: Image, *, mean: float = 0.0, std: float = 1.0) -> list[Floats]:
        """Return its outputs for an (H, W, 3) uint8 image; the input is (pixel - mean) / std.

        Raises:
            EstimatorError: the model fails.
        """
        values = self._planes(image_rgb, mean=mean, std=std)
        with explained(f"{self.name} failed", "check that the model is one of images"):
            outputs = self._session.run(
                None, {self._input: values.astype(np.float16) if self.half else values}
            )
            return [output[:1].astype(np.float32, copy=False) for output in outputs]


def _library() -> Any:
    disable_telemetry()
    try:
        import onnxruntime
    except ImportError as error:
        raise EstimatorError(
            missing_package("onnxruntime", "ONNX models", "onnxruntime")
        ) from error
    return onnxruntime


def _providers(device: str, available: list[str]) -> list[Any]:
    """Return what onnxruntime is to run on, best first.

    >>> _providers("cuda:1", [CUDA, CPU])
    [('CUDAExecutionProvider', {'device_id': 1}), 'CPUExecutionProvider']

    Raises:
        EstimatorError: it has no such device.
    """
    kind, _, number = device.partition(":")
    if kind == "cuda" and CUDA in available and (number or "0").isdigit():
        return [(CUDA, {"device_id": int(number or 0)}), CPU]
    if device == "auto":
        return [provider for provider in (CUDA, CPU) if provider in available]
    if device == "cpu":
        return [CPU]
    raise EstimatorError(
        f"onnxruntime runs on {', '.join(available)}, and the device asked for is not here: "
        f"{device}; choose cpu, or leave it to auto (for CUDA: pip install onnxruntime-gpu)"
    )
