"""Latency and throughput of refining, all backends: `python -m benchmarks.speed.refine`.

Latency is `Refiner.refine` from NumPy to NumPy, features and calibration included. Beside it stands
onnxruntime on the network alone, without features and calibration. All are timed in one run, in
turns of 200 calls, as in a loop of nothing else; "in turns" is one call each, which finds the
caches full of what the others needed, as after an estimator's inference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.common import Results, json_option, report
from rcnet_rt.backends.choice import missing
from rcnet_rt.backends.onnx import Session
from rcnet_rt.backends.onnx_graph import network_graph
from rcnet_rt.poses.poses import Poses
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.workflows.benchmark import latencies, present_backends, some_poses

__all__ = ["main", "measure"]

COUNTS = (1, 5, 20, 100)
BLOCK = 200  # calls in a turn
POSES = 100_000  # for the throughput, in images of 20
PLAIN = "network alone, onnxruntime"


def measure(
    weights_name: str = "yolo-pose",
    device: str = "auto",
    calls: int = 2000,
    only: Sequence[str] = (),
) -> Results:
    """Return microseconds a call by backend and number of poses, and poses a second."""
    weights = weights_io.find(weights_name)
    refiners, absent = present_backends(weights, device)
    refiners = {name: refiner for name, refiner in refiners.items() if name in (only or refiners)}
    records = [record for count in COUNTS for record in _latency(weights, refiners, count, calls)]
    return {
        "weights": weights.name,
        "latency": records,
        "throughput": [
            {"backend": name, "poses": POSES, "poses_per_second": _throughput(refiner)}
            for name, refiner in refiners.items()
        ],
        "absent": absent,
    }


def _latency(
    weights: Weights, refiners: dict[str, Refiner], count: int, calls: int
) -> list[dict[str, Any]]:
    poses = some_poses(count)
    candidates = {name: _call(refiner, poses) for name, refiner in refiners.items()}
    if not missing("onnx"):
        candidates[PLAIN] = _plain_network(weights, count)
    warm = latencies(candidates, rounds=-(-calls // BLOCK), block=BLOCK)
    turns = latencies(candidates, rounds=calls // 4, block=1)
    eager = warm["torch"][0] if "torch" in warm else None
    return [
        {
            "poses": count,
            "backend": name,
            "p50_us": 1e6 * warm[name][0],
            "p99_us": 1e6 * warm[name][1],
            "p50_us_in_turns": 1e6 * turns[name][0],
            "torch_over_this": eager and eager / warm[name][0],
        }
        for name in candidates
    ]


def _call(refiner: Refiner, poses: Poses) -> Callable[[], object]:
    return lambda: refiner.refine(
        poses.keypoints,
        poses.scores,
        keypoint_scores=poses.keypoint_scores,
        boxes=poses.boxes,
        image_size=poses.image_size,
    )


def _plain_network(weights: Weights, count: int) -> Callable[[], object]:
    session = Session(network_graph(weights))
    rng = np.random.default_rng(0)
    given = {
        "features": rng.normal(size=(count, weights.network_config().feature_count)),
        "baseline": rng.normal(size=count),
        "image_index": np.zeros(count),
    }
    return lambda: session(given)


def _throughput(refiner: Refiner) -> float:
    images = [some_poses(20, seed) for seed in range(50)] * (POSES // 1000)
    refiner.batch(images[:50])
    begin = time.perf_counter()
    refiner.batch(images)
    return POSES / (time.perf_counter() - begin)


@click.command()
@click.option("--weights", default="yolo-pose", show_default=True, help="A name or a file.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, …")
@click.option("--calls", default=2000, show_default=True, help="Of each number of poses.")
@click.option("--only", multiple=True, metavar="BACKEND", help="This backend alone; repeatable.")
@json_option
def main(
    weights: str, device: str, calls: int, only: tuple[str, ...], json_file: Path | None
) -> None:
    """Time refining on every backend that works here."""
    report("refine", measure(weights, device, calls, only), json_file)


if __name__ == "__main__":
    main()
