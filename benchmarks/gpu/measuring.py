"""What the parts share: the time that is left, failures as results, waiting for the GPU."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.common import Results
from rcnet_rt.poses.arrays import as_tensor
from rcnet_rt.rescoring.inputs import PoseInputs

__all__ = ["Deadline", "attempt", "on_device", "on_gpu", "seconds_of", "wait"]

REASON = 400  # characters of an error's message


@dataclass(frozen=True)
class Deadline:
    """The moment at which a part should have stopped, by `time.perf_counter`."""

    end: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline so many seconds from now."""
        return cls(time.perf_counter() + seconds)

    @property
    def left(self) -> float:
        """Seconds until then; negative afterwards."""
        return self.end - time.perf_counter()

    def share(self, count: int) -> Deadline:
        """Return the deadline of the next of `count` parts that share the time left."""
        return Deadline.after(self.left / max(count, 1))


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the function returns, or {"failed": reason}; the traceback is printed."""
    try:
        return function(*arguments)
    except Exception as error:
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {' '.join(str(error).split())}"[:REASON]}


def on_gpu(device: str) -> bool:
    """Whether a device, as torch spells it, is a CUDA device."""
    return torch.device(device).type == "cuda"


def wait(device: str) -> None:
    """Wait until the device has done all that was asked of it."""
    if on_gpu(device):
        torch.cuda.synchronize(device)


def on_device(inputs: PoseInputs, device: str, dtype: torch.dtype = torch.float32) -> PoseInputs:
    """Return the poses as tensors on the device."""
    return inputs.map(lambda array: as_tensor(array, dtype=dtype, device=device))


def seconds_of(
    call: Callable[[], object], device: str, deadline: Deadline, calls: int = 5
) -> Results:
    """Return the median seconds of up to `calls` calls after a first one, as far as time allows."""
    taken: list[float] = []
    for _ in range(calls + 1):
        begin = time.perf_counter()
        call()
        wait(device)
        taken.append(time.perf_counter() - begin)
        if deadline.left < taken[-1]:
            break
    timed = sorted(taken[1:] or taken)
    return {"seconds": timed[len(timed) // 2], "calls": len(timed), "warm": len(taken) > 1}
