"""What a library of TensorRT must offer, and the GPU that it is asked about."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from rcnet_rt.backends.protocol import Backend
from rcnet_rt.rescoring.weights import Weights

__all__ = ["Gpu", "Library"]


class Gpu(NamedTuple):
    """A GPU.

    Attributes:
        name: as CUDA gives it.
        capability: compute capability, such as "8.9".
        device: as torch spells it.
    """

    name: str
    capability: str
    device: str = "cuda"


class Library(Protocol):
    """One way to build an engine, load it and run it.

    Attributes:
        name: of the package, as pip spells it; with the precision, where there is a choice.
        install: the command that adds it.
        max_poses: that an engine takes.
        tolerance: largest difference of a score from eager's.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def install(self) -> str: ...  # noqa: D102
    @property
    def max_poses(self) -> int: ...  # noqa: D102
    @property
    def tolerance(self) -> float: ...  # noqa: D102

    def supports(self, gpu: Gpu) -> bool:
        """Return whether it is for this kind of GPU, installed or not."""
        ...

    def version(self) -> str:
        """Return its version and those that its engines depend on; empty if it is not installed."""
        ...

    def build(self, weights: Weights, path: Path, gpu: Gpu) -> None:
        """Write an engine for this GPU with its record, whole or not at all.

        Raises:
            BackendError: it cannot be built.
            OutputError: it cannot be written.
        """
        ...

    def load(self, path: Path, weights: Weights, gpu: Gpu) -> Backend:
        """Return a backend that runs the engine.

        Raises:
            BackendError: it cannot be loaded.
        """
        ...
