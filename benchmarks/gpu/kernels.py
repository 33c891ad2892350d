"""What a frame is on the GPU: kernels, their time, copies, and moments that the host waits."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.common import Results
from benchmarks.gpu.latency import COUNTS
from benchmarks.gpu.measuring import Deadline, attempt, on_device, on_gpu, wait
from benchmarks.gpu.people import frame
from benchmarks.gpu.steps import Step, plain_step, shipped, steps
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.weights import Weights

__all__ = ["activity", "measure", "replay_us", "summary", "synchronizations"]

CALLS = 20  # that are profiled
STEPS_IN_A_GRAPH, REPLAYS = 10, 100


def measure(device: str, deadline: Deadline) -> Results:
    """Return the activity of a frame by weights, number of poses and backend, tensors in and out.

    On a CPU, torch's operators stand in the place of kernels, nested ones included.
    """
    results: Results = {}
    for name, weights in shipped().items():
        working, _ = steps(name, device)
        for count in COUNTS:
            if deadline.left < 0:
                return results
            inputs = on_device(frame(count, weights), device)
            results[f"{name}, {count} poses"] = {
                backend: attempt(_of_step, step, inputs, device)
                for backend, step in working.items()
            } | ({"replay": attempt(_replay, weights, inputs, device)} if on_gpu(device) else {})
    return results


def _of_step(step: Step, inputs: PoseInputs, device: str) -> Results:
    def call() -> None:
        step(inputs)

    for _ in range(3):
        call()
    waits = attempt(synchronizations, call, device)
    seen = attempt(activity, call, device)
    return {**seen, "synchronizations": waits}


def activity(call: Callable[[], object], device: str, calls: int = CALLS) -> Results:
    """Return kernels, their time and copies of a call, by torch's profiler.

    Raises:
        RuntimeError: the profiler saw nothing on the device.
    """
    kind = DeviceType.CUDA if on_gpu(device) else DeviceType.CPU
    activities = [ProfilerActivity.CPU]
    if on_gpu(device):
        activities.append(ProfilerActivity.CUDA)
    wait(device)
    with profile(activities=activities) as profiler:
        for _ in range(calls):
            call()
        wait(device)
    return summary((event for event in profiler.events() or () if event.device_type == kind), calls)


def summary(events: Iterable[Any], calls: int) -> Results:
    """Return what the profiler's events of a device amount to in one call.

    Raises:
        RuntimeError: there are none.
    """
    kernels: list[float] = []
    copies: Counter[str] = Counter()
    for event in events:
        if event.name.startswith(("Memcpy", "Memset")):
            copies[event.name.split("(")[0].strip()] += 1
        elif not getattr(event, "is_user_annotation", False):
            kernels.append(event.time_range.elapsed_us())
    if not kernels and not copies:
        raise RuntimeError("the profiler saw no activity on the device; CUPTI may be missing")
    return {
        "kernels": len(kernels) / calls,
        "kernel_us": sum(kernels) / calls,
        "copies": {name: number / calls for name, number in copies.items()},
    }


def synchronizations(call: Callable[[], object], device: str) -> int | None:
    """Return how often the host waits for the GPU in a call, as torch sees it; None on a CPU."""
    if not on_gpu(device):
        return None
    wait(device)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            call()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("called a synchronizing" in str(warning.message) for warning in caught)


def _replay(weights: Weights, inputs: PoseInputs, device: str) -> Results:
    step = plain_step(weights, device, torch.float32)
    return {"gpu_us": replay_us(lambda: step(inputs), device)}


def replay_us(call: Callable[[], object], device: str) -> float:
    """Return the GPU's microseconds of a call, from replays of a CUDA graph of several calls.

    The gaps between kernels in a graph are part of it; the host's time is not.
    """
    with torch.cuda.device(device):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            kept = [call() for _ in range(STEPS_IN_A_GRAPH)]
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        for _ in range(10):
            graph.replay()
        begin.record()
        for _ in range(REPLAYS):
            graph.replay()
        end.record()
        torch.cuda.synchronize()
        del kept
        return 1000 * begin.elapsed_time(end) / (REPLAYS * STEPS_IN_A_GRAPH)
