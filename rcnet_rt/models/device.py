"""Where torch computes: what "auto" stands for, and the error for a device that it cannot use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rcnet_rt.errors import BackendError

__all__ = ["device_errors", "resolve_device", "usable_device"]


def resolve_device(device: str) -> str:
    """Return the device as torch spells it: "auto" is the GPU where there is one, else the CPU.

    >>> resolve_device("cuda:1")
    'cuda:1'
    """
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def usable_device(device: str) -> str:
    """Return the device as `resolve_device`, after torch has allocated there.

    Raises:
        BackendError: torch cannot use the device.
    """
    resolved = resolve_device(device)
    with device_errors(resolved):
        torch.zeros(1, device=resolved)
    return resolved


@contextmanager
def device_errors(device: str) -> Iterator[None]:
    """Turn what torch raises on a device that it cannot use into a `BackendError`."""
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BackendError(
            f"device {device!r} cannot be used: {reason}; try device 'cpu'"
        ) from error
