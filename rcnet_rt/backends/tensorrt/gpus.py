"""Which edition of TensorRT is for which GPU, and what pip calls it.

Sources: the members of `tensorrt_rtx.ComputeCapability` in 1.7.1; which product has which compute
capability, https://developer.nvidia.com/cuda-gpus.
"""

from __future__ import annotations

import contextlib
import importlib.metadata

from rcnet_rt.backends.tensorrt.protocol import Gpu

__all__ = [
    "DEFAULT_CAPABILITIES",
    "INSTALL_RTX",
    "INSTALL_TENSORRT",
    "RTX_CAPABILITIES",
    "gpu_of",
    "install_command",
    "installed_version",
    "is_rtx",
]

RTX_CAPABILITIES = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
DEFAULT_CAPABILITIES = RTX_CAPABILITIES[1:]  # 1.7.1 has no single precision for 7.5
INSTALL_RTX = "pip install 'rcnet-rt[tensorrt-rtx]'"
INSTALL_TENSORRT = "pip install 'rcnet-rt[tensorrt]'"


def gpu_of(device: str) -> Gpu:
    """Return the GPU behind a CUDA device."""
    import torch

    major, minor = torch.cuda.get_device_capability(device)
    return Gpu(torch.cuda.get_device_name(device), f"{major}.{minor}", device)


def is_rtx(gpu: Gpu) -> bool:
    """Return whether TensorRT for RTX is for this GPU."""
    return gpu.capability in RTX_CAPABILITIES


def installed_version(package: str) -> str:
    """Return the version of a package, or of its edition for one CUDA; empty if there is none.

    >>> installed_version("no-such-package")
    ''
    """
    for name in (package, f"{package}-cu13", f"{package}-cu12"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return ""


def install_command(gpu: Gpu | None = None) -> str:
    """Return the command that installs TensorRT for a GPU; for both kinds if it is not known.

    >>> install_command(Gpu("NVIDIA H100", "9.0"))
    "pip install 'rcnet-rt[tensorrt]'"
    """
    if gpu is None:
        return f"{INSTALL_RTX} for an RTX GPU, {INSTALL_TENSORRT} for H100, Jetson and others"
    return INSTALL_RTX if gpu.capability in DEFAULT_CAPABILITIES else INSTALL_TENSORRT
