"""The step through torch.compile, on a GPU in a CUDA graph too: what fusing its kernels wins."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from benchmarks.common import Results
from benchmarks.gpu.kernels import activity, replay_us
from benchmarks.gpu.latency import timed
from benchmarks.gpu.measuring import Deadline, attempt, on_device, on_gpu, wait
from benchmarks.gpu.people import frame
from benchmarks.gpu.steps import MAIN, Step, plain_step, shipped
from rcnet_rt.rescoring.inputs import ARRAYS, PoseInputs
from rcnet_rt.rescoring.weights import Weights

__all__ = ["measure"]

COUNTS = (20, 100)
MIN_SECONDS = 30  # compiling cannot be stopped, so that less time is not begun with


def measure(device: str, deadline: Deadline) -> Results:
    """Return difference to the reference, latency and GPU time of the compiled step."""
    weights = shipped()[MAIN]
    results: Results = {}
    for count in COUNTS:
        if deadline.left < MIN_SECONDS:
            reason = f"less than {MIN_SECONDS} s were left to compile in"
            results[f"{count} poses"] = {"not measured": reason}
            continue
        results[f"{count} poses"] = attempt(_of_frame, weights, count, device, deadline)
    return results


def _of_frame(weights: Weights, count: int, device: str, deadline: Deadline) -> Results:
    inputs = frame(count, weights)
    expected = plain_step(weights, "cpu", torch.float64)(inputs)
    tensors = on_device(inputs, device)
    step = _compiled(plain_step(weights, device, torch.float32), tensors)
    got = step(tensors)
    results: Results = {
        "max_abs_difference": float((got.cpu().double() - expected).abs().max()),
        "activity": attempt(activity, lambda: step(tensors), device),
    }

    def call() -> None:
        step(tensors)
        wait(device)

    results["latency"] = timed({"compiled/tensors": call}, Deadline.after(min(2, deadline.left)))
    if on_gpu(device):
        results["gpu_us"] = attempt(_replayed, step, tensors, device)
    return results


def _compiled(step: Callable[[PoseInputs], Tensor], example: PoseInputs) -> Step:
    """Return the step compiled for the shapes of the example.

    Its operators are recorded first: compilers of Python stumble over the NumPy constants in it.
    """
    names = [name for name in ARRAYS if getattr(example, name) is not None]

    def of_tensors(*arrays: Tensor) -> Tensor:
        return step(example._replace(**dict(zip(names, arrays, strict=True))))

    def arrays_of(inputs: PoseInputs) -> list[Tensor]:
        return [getattr(inputs, name) for name in names]

    with torch.no_grad():
        recorded = make_fx(of_tensors)(*arrays_of(example))
    compiled = torch.compile(recorded, dynamic=False)

    def run(inputs: PoseInputs) -> Tensor:
        with torch.no_grad():
            scores: Tensor = compiled(*arrays_of(inputs))
        return scores

    return run


def _replayed(step: Step, tensors: PoseInputs, device: str) -> float:
    return replay_us(lambda: step(tensors), device)
