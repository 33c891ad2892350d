"""TFLite models, run on the CPU by LiteRT (the package ai-edge-litert)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import EstimatorError, missing_package
from rcnet_rt.estimators.cpus import available_cpus
from rcnet_rt.estimators.failures import explained
from rcnet_rt.estimators.network import Floats
from rcnet_rt.poses.frame import Image

__all__ = ["LiteRtModel"]

MAX_THREADS = 4  # networks of this size are no faster with more
ANY = -1  # a side of an input that is left open


class LiteRtModel:
    """A `.tflite` file with one image as its input; quantised inputs and outputs are converted.

    Args:
        path: of the file.
        threads: None is as many as the machine has, up to `MAX_THREADS`.

    Attributes:
        streams: 1: one thread may call it at a time.
        name: the file's name without its suffix.
        output_names: of the outputs, in the order of `run`.
        output_shapes: of the outputs, as far as the file fixes them.

    Raises:
        EstimatorError: LiteRT is not installed; or the file is missing, damaged, or takes no image.
    """

    streams = 1

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        self.name = Path(path).stem
        if not Path(path).is_file():
            raise EstimatorError(f"no model file at {path}; check the path")
        interpreter = _library().Interpreter
        with explained(f"{path} cannot be loaded", "check that it is a TFLite model"):
            threads = min(threads or available_cpus(), MAX_THREADS)
            self._interpreter = interpreter(model_path=str(path), num_threads=threads)
            inputs, self._outputs = _details(self._interpreter)
        self.output_names = tuple(str(output["name"]) for output in self._outputs)
        self.output_shapes = tuple(
            tuple(int(side) for side in output["shape_signature"]) for output in self._outputs
        )
        shape = [int(side) for side in inputs[0]["shape_signature"]]
        if len(inputs) != 1 or len(shape) != 4 or shape[3] != 3:
            raise EstimatorError(
                f"{path} takes inputs of shape {[list(each['shape']) for each in inputs]}, "
                "expected one image, [1, height, width, 3]"
            )
        self.input_size = None if ANY in shape[1:3] else (shape[1], shape[2])
        self._input = inputs[0]
        self._allocated: tuple[int, ...] | None = None

    def run(self, image_rgb: Image, *, mean: float = 0.0, std: float = 1.0) -> list[Floats]:
        """Return the outputs for an (H, W, 3) uint8 image.

        A model that takes floating-point numbers gets (pixel - mean) / std; one that takes whole
        numbers gets the pixels (int8: less 128), as TFLite models of images are quantised.

        Raises:
            EstimatorError: the model fails.
        """
        with explained(f"{self.name} failed", "check that the model is one of images"):
            self._allocate((1, *image_rgb.shape))
            values = _input_values(image_rgb, self._input["dtype"], mean, std)
            self._interpreter.set_tensor(self._input["index"], values[None])
            self._interpreter.invoke()
            return [
                _output_values(self._interpreter.get_tensor(output["index"]), output)
                for output in self._outputs
            ]

    def _allocate(self, shape: tuple[int, ...]) -> None:
        if shape == self._allocated:
            return
        if self.input_size is None:
            self._interpreter.resize_tensor_input(self._input["index"], shape, strict=True)
        self._interpreter.allocate_tensors()
        self._allocated = shape


def _library() -> Any:
    try:
        from ai_edge_litert import interpreter
    except ImportError as error:
        raise EstimatorError(
            missing_package("ai-edge-litert", "TFLite models", "rcnet-rt[litert]")
        ) from error
    return interpreter


def _details(interpreter: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return interpreter.get_input_details(), interpreter.get_output_details()


def _input_values(image_rgb: Image, dtype: Any, mean: float, std: float) -> npt.NDArray[np.generic]:
    if np.issubdtype(dtype, np.floating):
        return ((image_rgb.astype(np.float32) - np.float32(mean)) / np.float32(std)).astype(dtype)
    if dtype == np.int8:
        return (image_rgb.astype(np.int16) - 128).astype(np.int8)
    return image_rgb.astype(dtype)


def _output_values(values: npt.NDArray[Any], output: dict[str, Any]) -> Floats:
    """Return the real numbers that an output stands for: (value - zero point) × scale."""
    scale, zero_point = output["quantization"]
    if np.issubdtype(values.dtype, np.floating) or scale == 0:
        return values.astype(np.float32)
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
