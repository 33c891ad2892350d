"""Which backend runs: by name, or the best that works on this machine."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from importlib.util import find_spec

from rcnet_rt.backends.protocol import Backend
from rcnet_rt.backends.tensorrt.gpus import install_command
from rcnet_rt.errors import BackendError, RcnetError
from rcnet_rt.rescoring.weights import Weights

__all__ = [
    "NAMES",
    "ON_CPU",
    "auto",
    "best_without_numba",
    "missing",
    "open_backend",
]

ON_CPU = ("numba", "onnx")
NAMES = ("auto", *ON_CPU, "torch", "tensorrt")

PACKAGES = {
    "numba": {"numba": "pip install 'rcnet-rt[numba]'"},
    "onnx": {"onnxruntime": "pip install onnxruntime", "onnx": "pip install onnx"},
    "torch": {"torch": "pip install torch"},
}
TENSORRT_MODULES = ("tensorrt_rtx", "tensorrt", "torch_tensorrt")
REASONS = {
    "numba": "on a CPU one compiled function has the least overhead",
    "onnx": "on a CPU one graph has little overhead; numba has less",
    "torch": "neither numba nor onnxruntime works here",
}


def auto(device: str = "auto") -> tuple[str, str]:
    """Return which backend `auto` is on a device, and why.

    >>> auto("cuda")[0]
    'torch'
    """
    name = _candidates(device)[0]
    on_cpu = device in ("auto", "cpu")
    return name, REASONS[name] if on_cpu else f"on {device} its CUDA graphs make a frame one launch"


def best_without_numba(device: str = "auto") -> tuple[str, str]:
    """Return which backend is the next best on a CPU, and why."""
    name = next(name for name in _candidates(device) if name != "numba")
    return name, REASONS[name]


def _candidates(device: str) -> list[str]:
    """Return the backends that may run on a device, the best first."""
    if device not in ("auto", "cpu"):
        return ["torch"]
    return [*(name for name in ON_CPU if not missing(name, device)), "torch"]


def missing(name: str, device: str = "auto") -> str:
    """Return in a sentence why a backend cannot run on a device here; empty if it can."""
    for package, command in PACKAGES.get(name, {}).items():
        if find_spec(package) is None:
            return f"backend {name} needs {package}: {command}"
    if name == "tensorrt" and not any(find_spec(module) for module in TENSORRT_MODULES):
        return f"backend {name} needs TensorRT: {install_command()}"
    on_cpu = device in ("auto", "cpu")
    if name in ON_CPU and not on_cpu:
        return f"backend {name} runs on the CPU, got device {device!r}; use torch there"
    if name == "tensorrt" and on_cpu:
        return f"backend {name} needs a GPU: say device='cuda'"
    return ""


def open_backend(weights: Weights, name: str = "auto", device: str = "auto") -> Backend:
    """Return the backend of that name with these weights loaded.

    Of those that `auto` may take, one that fails is replaced by the next best, with a warning;
    likewise TensorRT where it cannot run.

    Raises:
        BackendError: an unknown backend, or one that does not suit the device or does not work.
    """
    if name not in NAMES:
        raise BackendError(f"unknown backend {name!r}; known are {', '.join(NAMES)}")
    if weights.is_baseline:
        from rcnet_rt.backends.reference import BaselineBackend

        return BaselineBackend(weights)
    candidates = _candidates(device) if name in ("auto", "tensorrt") else []
    if name == "auto" and all(missing(each, device) for each in candidates):
        raise BackendError(_none_is_installed(device))
    if name != "auto":
        candidates.insert(0, name)
    return _open_first(weights, candidates, device)


def _none_is_installed(device: str) -> str:
    if device in ("auto", "cpu"):
        return "no backend is installed; the smallest one: pip install onnxruntime onnx"
    return f"no backend for device {device!r} is installed: pip install torch"


def _open_first(weights: Weights, candidates: Sequence[str], device: str) -> Backend:
    """Open the first backend that works; a warning for each that does not."""
    for candidate, following in itertools.pairwise(candidates):
        try:
            return _open(weights, candidate, device)
        except BackendError as error:
            warnings.warn(f"{error}; {following} runs instead", stacklevel=3)
    return _open(weights, candidates[-1], device)


def _open(weights: Weights, name: str, device: str) -> Backend:
    """Open one backend; whatever an installed but broken package raises is a `BackendError`."""
    lacking = missing(name, device)
    if lacking:
        raise BackendError(lacking)
    try:
        return _import_and_open(weights, name, "cpu" if device == "auto" else device)
    except RcnetError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise BackendError(f"backend {name} does not work here ({reason})") from error


def _import_and_open(weights: Weights, name: str, device: str) -> Backend:
    if name == "numba":
        from rcnet_rt.backends.numba import NumbaBackend

        others = [other for other in _candidates("cpu") if other != "numba"]
        return NumbaBackend(weights, lambda: _open_first(weights, others, device))
    if name == "onnx":
        from rcnet_rt.backends.onnx import OnnxBackend

        return OnnxBackend(weights)
    if name == "tensorrt":
        from rcnet_rt.backends.tensorrt.opening import open_tensorrt

        return open_tensorrt(weights, device)
    from rcnet_rt.backends.torch import TorchBackend

    return TorchBackend(weights, device)
