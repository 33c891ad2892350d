"""Latency: wall time of a frame, from tensors to tensors on the device and from NumPy to NumPy."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from benchmarks.common import Results, side_by_side
from benchmarks.gpu.measuring import Deadline, attempt, on_device, wait
from benchmarks.gpu.people import frame
from benchmarks.gpu.steps import Step, shipped, steps
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.weights import Weights

__all__ = ["COUNTS", "measure", "timed"]

COUNTS = (1, 5, 20, 100)
MIN_CALLS, MAX_CALLS = 20, 1000
WARM_UP = 10


def measure(device: str, deadline: Deadline) -> Results:
    """Return p50 and p99 of a call by weights, number of poses, backend and kind of array."""
    cases = [(name, weights, count) for name, weights in shipped().items() for count in COUNTS]
    return {
        f"{name}, {count} poses": attempt(
            _of_frame, name, weights, count, device, deadline.share(len(cases) - number)
        )
        for number, (name, weights, count) in enumerate(cases)
    }


def _of_frame(
    name: str, weights: Weights, count: int, device: str, deadline: Deadline
) -> list[Results]:
    inputs = frame(count, weights)
    candidates: dict[str, Callable[[], object]] = {}
    failures: list[Results] = []
    for backend, step in steps(name, device)[0].items():
        for kind, call in _calls(step, inputs, device).items():
            outcome = attempt(call)
            if isinstance(outcome, dict):
                failures.append({"backend": backend, "arrays": kind, **outcome})
            else:
                candidates[f"{backend}/{kind}"] = call
    return timed(candidates, deadline) + failures


def timed(candidates: dict[str, Callable[[], object]], deadline: Deadline) -> list[Results]:
    """Time candidates, named backend/kind, in turns for as many calls as the time allows."""
    begin = time.perf_counter()
    for call in candidates.values():
        call()
    round_seconds = max(time.perf_counter() - begin, 1e-6)
    calls = int(deadline.left / round_seconds) - WARM_UP
    calls = min(max(calls, MIN_CALLS), MAX_CALLS)
    timings = side_by_side(candidates, calls=calls, warm_up=WARM_UP)
    return [
        {
            "backend": label.split("/")[0],
            "arrays": label.split("/")[1],
            "p50_us": 1e6 * timing.p50,
            "p99_us": 1e6 * timing.p99,
            "calls": timing.calls,
        }
        for label, timing in timings.items()
    ]


def _calls(step: Step, inputs: PoseInputs, device: str) -> dict[str, Callable[[], object]]:
    tensors = on_device(inputs, device)

    def from_tensors() -> None:
        step(tensors)
        wait(device)

    def from_numpy() -> None:
        torch.as_tensor(step(inputs)).cpu().numpy()

    return {"tensors": from_tensors, "numpy": from_numpy}
