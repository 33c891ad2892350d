"""A GPU that is not there: tensors on it have a device and a shape, and no values.

Whatever makes the host wait for a value (`.item()`, `if tensor:`, `.tolist()`) raises there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from rcnet_rt.backends import torch as torch_backend
from rcnet_rt.models import rcnet


class Copies(TorchDispatchMode):
    """Counts the operations that move tensors between devices, by what they move from and to."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: list[tuple[str, str]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = [arg.device.type for arg in args if isinstance(arg, torch.Tensor)]
        if func is torch.ops.aten.copy_.default:
            self._note(given[1], given[0])
        elif given and isinstance(result, torch.Tensor):
            self._note(given[0], result.device.type)
        return result

    def _note(self, source: str, target: str) -> None:
        if source != target:
            self.moves.append((source, target))


class _NoGraphs:
    """CUDA graphs run their step; recording one needs a real GPU."""

    def __init__(self, step: Any, device: str) -> None:
        self._step = step

    def fits(self, inputs: Any) -> bool:
        return True

    def __call__(self, inputs: Any) -> Any:
        return self._step(inputs)


def _on_device(network: Any, device: str) -> Any:
    """Move parameters one by one: `Module.to` does not know fake tensors."""
    for module in network.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    tensors[name] = tensor.detach().to(device)
    return network


@contextmanager
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Copies]:
    """Let tensors be made on the device "cuda"; yields what counts their copies."""
    monkeypatch.setattr(torch_backend, "CudaGraphs", _NoGraphs)
    monkeypatch.setattr(rcnet, "on_device", _on_device)
    with FakeTensorMode(allow_non_fake_inputs=True), Copies() as copies:
        yield copies
