"""The time that refining takes on this machine, with every backend that works here."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from rcnet_rt.backends import choice
from rcnet_rt.poses.poses import Poses
from rcnet_rt.refiner import Refiner, find_weights
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.workflows.progress import OnProgress, Progress, ignore

__all__ = [
    "BackendBenchmark",
    "Benchmark",
    "Latency",
    "benchmark",
    "latencies",
    "present_backends",
    "some_poses",
]

JOINTS = 17
COUNTS = (1, 5, 20, 100)
BLOCK = 200  # calls of a backend in its turn
PACKAGES = ("numpy", "numba", "onnxruntime", "torch")
IMAGES, POSES_PER_IMAGE, WARM_UP_IMAGES = 1000, 20, 50  # of the throughput


@dataclass(frozen=True)
class Latency:
    """Median and 99th percentile of a call, in seconds."""

    median: float
    p99: float


@dataclass(frozen=True)
class BackendBenchmark:
    """What one backend takes.

    Attributes:
        name: of the backend.
        latencies: of a call of `Refiner.refine` from NumPy to NumPy, by number of poses.
        poses_per_second: throughput of `Refiner.batch` over many images of 20 poses.
    """

    name: str
    latencies: Mapping[int, Latency]
    poses_per_second: float


@dataclass(frozen=True)
class Benchmark:
    """What refining takes on this machine.

    Attributes:
        weights: name of the weights.
        backends: one entry for each backend that works here.
        absent: a sentence for each backend that does not.
        auto_backend: name of the backend that "auto" chooses.
        auto_reason: why.
        machine: processor, cores, and versions of Python and of the packages that compute.
    """

    weights: str
    backends: tuple[BackendBenchmark, ...]
    absent: tuple[str, ...]
    auto_backend: str
    auto_reason: str
    machine: str


def benchmark(
    weights: str | Weights = "yolo-pose",
    *,
    device: str = "auto",
    calls: int = 1000,
    counts: Sequence[int] = COUNTS,
    progress: OnProgress = ignore,
) -> Benchmark:
    """Measure the latency and the throughput of every backend that works here.

    Backends take turns of 200 calls, so that other load on the machine reaches all of them.

    Args:
        weights: as for `Refiner`.
        device: "auto", "cpu", "cuda", …
        calls: of each backend with each number of poses; rounded up to a multiple of 200.
        counts: numbers of poses per call.
        progress: called after each measurement.

    Raises:
        WeightsError: unknown or damaged weights.
        BackendError: the device is not here.
    """
    chosen = find_weights(weights) if isinstance(weights, str) else weights
    refiners, absent = present_backends(chosen, device)
    total = len(counts) + len(refiners)
    figures = {}
    for number, count in enumerate(counts, 1):
        figures[count] = _call_latencies(refiners, count, calls)
        progress(Progress(f"{count} poses", number, total))
    measured = []
    for number, (name, refiner) in enumerate(refiners.items(), len(counts) + 1):
        of_backend = {count: figures[count][name] for count in counts}
        measured.append(BackendBenchmark(name, of_backend, _throughput(refiner)))
        progress(Progress(f"throughput of {name}", number, total))
    auto = Refiner(chosen, device=device)
    return Benchmark(
        chosen.name,
        tuple(measured),
        tuple(absent),
        auto.backend_name,
        auto.backend_reason,
        _machine(),
    )


def some_poses(count: int, seed: int = 0) -> Poses:
    """Return random poses in an image of 640 × 480, a tenth of their joints not found.

    The time of refining does not depend on the values.

    >>> len(some_poses(3))
    3
    """
    rng = np.random.default_rng(seed)
    corner = 400 * rng.random((count, 1, 2), np.float32)
    keypoints = corner + 150 * rng.random((count, JOINTS, 2), np.float32)
    keypoints[rng.random((count, JOINTS)) < 0.1] = np.nan
    return Poses(
        keypoints,
        rng.random(count, np.float32),
        keypoint_scores=rng.random((count, JOINTS), np.float32),
        boxes=np.concatenate([corner, corner + 150], axis=2)[:, 0],
        image_size=(640, 480),
    )


def present_backends(
    weights: Weights, device: str = "auto"
) -> tuple[dict[str, Refiner], list[str]]:
    """Return a refiner for every backend that works here, and a sentence for each that does not."""
    refiners: dict[str, Refiner] = {}
    absent: list[str] = []
    for name in choice.NAMES:
        lacking = choice.missing(name, device)
        if lacking:
            absent.append(lacking)
        elif name != "auto":
            refiners[name] = Refiner(weights, device=device, backend=name)
    return refiners, absent


def latencies(
    candidates: Mapping[str, Callable[[], object]], rounds: int, block: int = 200
) -> dict[str, tuple[float, float]]:
    """Return the median and the 99th percentile in seconds of each candidate's calls.

    They take turns, so that other load on the machine reaches all of them.

    Args:
        candidates: what to call, by name.
        rounds: number of turns of each.
        block: calls in a turn. With many, caches are warm, as in a loop of nothing else; with one,
            the other candidates have used them in between.
    """
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for function in candidates.values():
        for _ in range(10):
            function()
    for _ in range(rounds):
        for name, function in candidates.items():
            for _ in range(block):
                begin = time.perf_counter()
                function()
                taken[name].append(time.perf_counter() - begin)
    return {
        name: (float(np.quantile(values, 0.5)), float(np.quantile(values, 0.99)))
        for name, values in taken.items()
    }


def _call_latencies(refiners: dict[str, Refiner], count: int, calls: int) -> dict[str, Latency]:
    poses = some_poses(count)

    def call(refiner: Refiner) -> object:
        return refiner.refine(
            poses.keypoints,
            poses.scores,
            keypoint_scores=poses.keypoint_scores,
            boxes=poses.boxes,
            image_size=poses.image_size,
        )

    candidates = {name: lambda refiner=refiner: call(refiner) for name, refiner in refiners.items()}
    taken = latencies(candidates, rounds=-(-calls // BLOCK), block=BLOCK)
    return {name: Latency(median, p99) for name, (median, p99) in taken.items()}


def _throughput(refiner: Refiner) -> float:
    images = [some_poses(POSES_PER_IMAGE)] * IMAGES
    refiner.batch(images[:WARM_UP_IMAGES])
    begin = time.perf_counter()
    refiner.batch(images)
    return POSES_PER_IMAGE * IMAGES / (time.perf_counter() - begin)


def _machine() -> str:
    versions = [
        f"{name} {importlib.metadata.version(name)}" for name in PACKAGES if find_spec(name)
    ]
    python = f"Python {platform.python_version()}"
    return f"{platform.machine()}, {os.cpu_count()} cores; {', '.join([python, *versions])}"
