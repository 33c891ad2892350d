"""Backends: what runs the whole step, from poses as they were given to refined scores.

`auto` is onnx on a CPU, torch on anything else.
"""

from __future__ import annotations

from typing import Protocol

from rcnet_rt.arrays import Array
from rcnet_rt.errors import BackendError
from rcnet_rt.given import GivenPoses
from rcnet_rt.weights_file import Weights

__all__ = ["NAMES", "Backend", "open_backend"]

NAMES = ("auto", "onnx", "torch")


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

    def __call__(self, given: GivenPoses) -> tuple[Array, Array]:
        """Return refined scores (P,) and faults (P,) as `rcnet_rt.step.refined_scores` does.

        It takes any kind of array and gives its own.
        """
        ...


def open_backend(weights: Weights, name: str = "auto", device: str = "auto") -> Backend:
    """Return the backend of that name with these weights loaded.

    Raises:
        BackendError: an unknown backend, or one that does not suit the device.
    """
    if name not in NAMES:
        raise BackendError(f"unknown backend {name!r}; known are {', '.join(NAMES)}")
    if weights.is_formula:
        from rcnet_rt.backends.reference import FormulaBackend

        return FormulaBackend(weights)
    on_cpu = device in ("auto", "cpu")
    if name == "onnx" and not on_cpu:
        raise BackendError(f"backend onnx runs on the CPU, got device {device!r}; use torch there")
    if name == "torch" or not on_cpu:
        from rcnet_rt.backends.torch import TorchBackend

        return TorchBackend(weights, "cpu" if device == "auto" else device)
    from rcnet_rt.backends.onnx import OnnxBackend

    return OnnxBackend(weights)
