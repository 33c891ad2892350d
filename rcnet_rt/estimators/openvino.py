"""OpenVINO models of images, run by OpenVINO."""

from __future__ import annotations

import platform
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.errors import EstimatorError, missing_package
from rcnet_rt.estimators.failures import explained
from rcnet_rt.estimators.network import Floats, Planes
from rcnet_rt.poses.frame import Image
from rcnet_rt.privacy import disable_telemetry

__all__ = ["OpenVinoNetwork"]

CPU_FEATURES = Path("/proc/cpuinfo")  # on Linux


class OpenVinoNetwork:
    """An OpenVINO model with one image as its input, (batch, 3, height, width); thread-safe.

    Args:
        path: of the folder, or of the .xml file in it.
        device: "auto" is the CPU, or OpenVINO's choice where it has others; "cpu"; "intel:gpu", …
        streams: how many images the CPU works on at a time, with the same results.
        threads: on the CPU, of all streams; None leaves it to OpenVINO: all cores.

    Attributes:
        streams: as given, 1 where it does not run on the CPU.
        name: the folder's or file's name.
        input_size: (height, width); None where the model leaves it open.
        metadata: what `metadata.yaml` beside the model says.
        half: False: the precision of the input.

    Raises:
        EstimatorError: OpenVINO is not installed, the device is not here, or the model is damaged
            or takes no image.
    """

    half = False

    def __init__(
        self,
        path: str | Path,
        *,
        device: str = "auto",
        streams: int = 1,
        threads: int | None = None,
    ) -> None:
        self.name = Path(path).name
        file = next(Path(path).glob("*.xml")) if Path(path).is_dir() else Path(path)
        core = _library().Core()
        target = _target(device, core.available_devices)
        self.streams = streams if target == "CPU" else 1
        with explained(f"{path} cannot be loaded", "check that it is an OpenVINO model"):
            self.metadata = _metadata(file.with_name("metadata.yaml"))
            model = core.read_model(str(file))
            if target in ("CPU", "AUTO") and _crashes_where_open(model):
                model.reshape([1, 3, *self.metadata.get("imgsz", (640, 640))])
            self._compiled = core.compile_model(model, target, _config(target, streams, threads))
            shapes = [given.get_partial_shape() for given in model.inputs]
        sides = [[_length(side) for side in shape] for shape in shapes]
        if len(sides) != 1 or len(sides[0]) != 4 or sides[0][1] != 3:
            raise EstimatorError(
                f"{path} takes inputs of shape {', '.join(map(str, shapes))}, "
                "expected one image, [batch,3,height,width]"
            )
        batch, _, height, width = sides[0]
        self.input_size = None if height is None or width is None else (height, width)
        self._planes = Planes(batch or 1)
        self._of_thread = threading.local()

    def run(self, image_rgb: Image, *, mean: float = 0.0, std: float = 1.0) -> list[Floats]:
        """Return its outputs for an (H, W, 3) uint8 image; the input is (pixel - mean) / std.

        Raises:
            EstimatorError: the model fails.
        """
        values = self._planes(image_rgb, mean=mean, std=std)
        with explained(f"{self.name} failed", "check that the model is one of images"):
            outputs = self._request().infer({0: values}, share_inputs=True)
            return [np.asarray(output[:1], np.float32) for output in outputs.values()]

    def _request(self) -> Any:
        """Return the request of the calling thread: one runs a single inference at a time."""
        if not hasattr(self._of_thread, "request"):
            self._of_thread.request = self._compiled.create_infer_request()
        return self._of_thread.request


def _library() -> Any:
    disable_telemetry()
    try:
        import openvino
    except ImportError as error:
        raise EstimatorError(
            missing_package("openvino", "OpenVINO models", "rcnet-rt[openvino]")
        ) from error
    return openvino


def _metadata(file: Path) -> Mapping[str, Any]:
    """Return what a file of metadata says; nothing where there is none."""
    if not file.is_file():
        return {}
    import yaml

    values = yaml.safe_load(file.read_text("utf-8"))
    return values if isinstance(values, dict) else {}


def _target(device: str, available: list[str]) -> str:
    """Return OpenVINO's name of a device.

    >>> _target("auto", ["CPU"]), _target("auto", ["CPU", "GPU"]), _target("intel:gpu", ["GPU.0"])
    ('CPU', 'AUTO', 'GPU')

    Raises:
        EstimatorError: it is not here.
    """
    if device == "auto":
        return "CPU" if available == ["CPU"] else "AUTO"
    name = device.removeprefix("intel:").upper()
    if name in {each.split(".")[0] for each in available} | {*available, "AUTO"}:
        return name
    raise EstimatorError(
        f"OpenVINO runs on {', '.join(available)}, and the device asked for is not here: {device}; "
        "choose cpu or, of Intel's, intel:gpu or intel:npu, or leave it to auto"
    )


def _config(target: str, streams: int, threads: int | None) -> dict[str, Any]:
    """Return OpenVINO's settings for a device.

    >>> _config("CPU", 1, 1)["ENABLE_CPU_PINNING"], _config("GPU", 1, None)
    (False, {'PERFORMANCE_HINT': 'LATENCY'})
    """
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if target != "CPU":
        return config
    config["NUM_STREAMS"] = streams
    # Each process would pin its threads to the first cores, and several would share one.
    config["ENABLE_CPU_PINNING"] = False
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = threads
    # As ultralytics has it: half precision changes results on ARM and fails on Windows.
    if platform.machine().lower() in ("arm64", "aarch64") or platform.system() == "Windows":
        config["INFERENCE_PRECISION_HINT"] = "f32"
    return config


def _crashes_where_open(model: Any) -> bool:
    """Return whether OpenVINO crashes on a model unless the shape of its input is fixed.

    It does with quantised models on CPUs with AMX (openvino issue 37577).
    """
    shape_is_open = any(given.get_partial_shape().is_dynamic for given in model.inputs)
    if not shape_is_open or not CPU_FEATURES.is_file():
        return False
    quantised = any(node.get_type_name() == "FakeQuantize" for node in model.get_ops())
    return quantised and "amx_int8" in CPU_FEATURES.read_text()


def _length(dimension: Any) -> int | None:
    return int(dimension.get_length()) if dimension.is_static else None
