"""Backends: what runs a network's arithmetic. `auto` is onnx on a CPU, torch on anything else."""

from __future__ import annotations

from typing import Literal, Protocol

from rcnet_rt.arrays import Array
from rcnet_rt.errors import BackendError
from rcnet_rt.weights_file import Weights

__all__ = ["NAMES", "Backend", "open_backend"]

NAMES = ("auto", "onnx", "torch")


class Backend(Protocol):
    """Runs the network of one weights file. Safe to call from several threads.

    Attributes:
        name: what the user calls it.
        device: where it runs, as torch spells it.
        arrays: the kind of array that it takes and gives.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def device(self) -> str: ...  # noqa: D102
    @property
    def arrays(self) -> Literal["numpy", "torch"]: ...  # noqa: D102

    def __call__(self, features: Array, base: Array, picture: Array) -> Array:
        """(P, D) features, (P,) base logits, (P,) picture numbers -> (P,) scores in (0, 1)."""
        ...


def open_backend(weights: Weights, name: str = "auto", device: str = "auto") -> Backend:
    """Return the backend of that name with these weights loaded.

    Raises:
        BackendError: an unknown backend, or one that does not suit the device.
    """
    if name not in NAMES:
        raise BackendError(f"unknown backend {name!r}; known are {', '.join(NAMES)}")
    on_cpu = device in ("auto", "cpu")
    if name == "onnx" and not on_cpu:
        raise BackendError(f"backend onnx runs on the CPU, got device {device!r}; use torch there")
    if name == "torch" or not on_cpu:
        from rcnet_rt.backends.torch import TorchBackend

        return TorchBackend(weights, "cpu" if device == "auto" else device)
    from rcnet_rt.backends.onnx import OnnxBackend

    return OnnxBackend(weights)
