"""Agreement: how far every backend is from the step in double precision on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.common import Results
from benchmarks.gpu.measuring import Deadline, attempt, on_device
from benchmarks.gpu.people import frame
from benchmarks.gpu.steps import Step, plain_step, shipped, steps
from rcnet_rt.rescoring.inputs import PoseInputs

__all__ = ["measure"]

COUNTS = (0, 1, 5, 20, 100, 128)
FRAMES = 4  # of each count; every second one with consensus and agreement


def measure(device: str, deadline: Deadline) -> Results:
    """Return the largest absolute difference of scores by weights and backend.

    Of each backend, tensors on the device (single precision) and NumPy arrays are tried.
    """
    results: Results = {}
    for name, weights in shipped().items():
        reference = plain_step(weights, "cpu", torch.float64)
        working, absent = steps(name, device)
        cases = [
            (inputs, reference(inputs).numpy())
            for seed in range(FRAMES)
            for count in COUNTS
            for inputs in [frame(count, weights, seed, signals=seed % 2 == 1)]
        ]
        results[name] = {
            backend: attempt(_differences, step, cases, device, deadline)
            for backend, step in working.items()
        } | absent
    return results


def _differences(
    step: Step, cases: list[tuple[PoseInputs, Any]], device: str, deadline: Deadline
) -> Results:
    largest: dict[str, dict[int, float]] = {"tensors": {}, "numpy": {}}
    for number, (inputs, expected) in enumerate(cases):
        if number >= len(COUNTS) and deadline.left < 0:
            break  # one frame of each count was tried
        count = len(expected)
        for kind, given in (("tensors", on_device(inputs, device)), ("numpy", inputs)):
            got = torch.as_tensor(step(given)).cpu().double().numpy()
            if got.shape != expected.shape or not np.isfinite(got).all():
                raise ValueError(f"{kind}, {count} poses: scores of shape {got.shape}: {got[:5]}")
            difference = float(np.abs(got - expected).max(initial=0))
            largest[kind][count] = max(difference, largest[kind].get(count, 0.0))
    return {
        f"{kind}, {count} poses": difference
        for kind, by_count in largest.items()
        for count, difference in by_count.items()
    }
