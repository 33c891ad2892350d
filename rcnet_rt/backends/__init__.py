"""Backends: what runs the whole step, from poses as they were given to refined scores."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Protocol

from rcnet_rt.errors import BackendError
from rcnet_rt.poses.arrays import Array
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.weights import Weights

__all__ = ["NAMES", "ON_CPU", "Backend", "auto", "missing", "open_backend", "best_without_numba"]

ON_CPU = ("numba", "onnx")
NAMES = ("auto", *ON_CPU, "torch", "tensorrt")

PACKAGES = {
    "numba": {"numba": "pip install 'rcnet-rt[numba]'"},
    "onnx": {"onnxruntime": "pip install onnxruntime", "onnx": "pip install onnx"},
    "torch": {"torch": "pip install torch"},
    "tensorrt": {"torch_tensorrt": "pip install 'rcnet-rt[tensorrt]'"},
}


class Backend(Protocol):
    """Refines with one weights file. Safe to call from several threads.

    Attributes:
        name: what the user calls it.
        device: where it runs, as torch spells it.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def device(self) -> str: ...  # noqa: D102

    def __call__(self, given: PoseInputs) -> tuple[Array, Array]:
        """Return refined scores (P,) and faults (P,) as `rescoring.rescore.refined_scores` does.

        It takes any kind of array and gives its own.
        """
        ...


def auto(device: str = "auto") -> tuple[str, str]:
    """Return which backend `auto` is on a device, and why.

    >>> auto("cuda")[0]
    'torch'
    """
    if device not in ("auto", "cpu"):
        return "torch", f"on {device} its CUDA graphs make a frame one launch"
    if not missing("numba", device):
        return "numba", "on a CPU one compiled function for the whole step has the least overhead"
    return best_without_numba(device)


def best_without_numba(device: str = "auto") -> tuple[str, str]:
    """Return which backend is the next best on a CPU, and why."""
    lacking = missing("onnx", device)
    if lacking:
        return "torch", lacking
    return "onnx", "on a CPU one graph for the whole step has little overhead; numba has less"


def missing(name: str, device: str = "auto") -> str:
    """Return in a sentence why a backend cannot run on a device here; empty if it can."""
    for package, command in PACKAGES.get(name, {}).items():
        if find_spec(package) is None:
            return f"backend {name} needs {package}: {command}"
    on_cpu = device in ("auto", "cpu")
    if name in ON_CPU and not on_cpu:
        return f"backend {name} runs on the CPU, got device {device!r}; use torch there"
    if name == "tensorrt" and on_cpu:
        return f"backend {name} needs a GPU: say device='cuda'"
    return ""


def open_backend(weights: Weights, name: str = "auto", device: str = "auto") -> Backend:
    """Return the backend of that name with these weights loaded.

    TensorRT, where it cannot run here, is replaced by `auto`, with a warning.

    Raises:
        BackendError: an unknown backend, or one that does not suit the device.
    """
    if name not in NAMES:
        raise BackendError(f"unknown backend {name!r}; known are {', '.join(NAMES)}")
    if weights.is_baseline:
        from rcnet_rt.backends.reference import BaselineBackend

        return BaselineBackend(weights)
    chosen = auto(device)[0] if name == "auto" else name
    lacking = missing(chosen, device)
    if lacking and chosen in (*ON_CPU, "torch"):
        raise BackendError(lacking)
    if lacking:
        chosen = auto(device)[0]
        warnings.warn(f"{lacking}; {chosen} runs instead", stacklevel=2)
    device = "cpu" if device == "auto" else device
    try:
        return _open(weights, chosen, device)
    except BackendError as error:
        if name != "auto" or chosen != "numba":
            raise
        chosen = best_without_numba()[0]
        warnings.warn(f"{error}; {chosen} runs instead", stacklevel=2)
        return _open(weights, chosen, device)


def _open(weights: Weights, name: str, device: str) -> Backend:
    """Each backend is imported only when it is opened."""
    if name == "numba":
        try:
            from rcnet_rt.backends.numba import NumbaBackend
        except ImportError as error:  # it does not take every NumPy
            raise BackendError(f"backend numba does not work here: {error}") from error
        return NumbaBackend(weights)
    if name == "onnx":
        from rcnet_rt.backends.onnx import OnnxBackend

        return OnnxBackend(weights)
    if name == "tensorrt":
        from rcnet_rt.backends.tensorrt import open_tensorrt

        return open_tensorrt(weights, device)
    from rcnet_rt.backends.torch import TorchBackend

    return TorchBackend(weights, device)
