"""Poses to refine and backends to refine them, for measurements."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from rcnet_rt.backends import choice
from rcnet_rt.poses.poses import Poses
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring.weights import Weights

__all__ = ["latencies", "present_backends", "some_poses"]

JOINTS = 17


def some_poses(count: int, seed: int = 0) -> Poses:
    """Return made-up people in an image of 640 x 480, a tenth of their joints not found.

    How long refining takes does not depend on the numbers.

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

    They take turns, so that a busy moment hits all of them.

    Args:
        candidates: what to call, by name.
        rounds: how often each has its turn.
        block: calls in a turn. Many find the caches as the last call left them, as in a loop of
            nothing else; with one, each finds them full of what the others needed.
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
