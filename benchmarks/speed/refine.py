"""`python -m benchmarks.speed.refine`: refine latency and throughput, every backend side by side.

Latency is `Refiner.refine` from NumPy to NumPy, features and calibration included. Beside it: the
vectorised step in torch eager, and onnxruntime on the plain network, which is what an export of the
network alone would cost without packing, features and calibration. All are timed in one run, in
turns of 200 calls, as in a loop of nothing else; "in turns" is one call each, which finds the
caches full of what the others needed, as behind an estimator.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.common import Results, parser, report
from rcnet_rt.backends.choice import missing
from rcnet_rt.backends.onnx import Session
from rcnet_rt.backends.onnx_graph import network_graph
from rcnet_rt.poses.poses import Poses
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.workflows.benchmark import latencies, present_backends, some_poses

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


def main() -> None:
    """Measure, show, and write if asked."""
    options = parser(__doc__ or "")
    options.add_argument("--weights", default="yolo-pose")
    options.add_argument("--device", default="auto")
    options.add_argument("--calls", type=int, default=2000, help="a number of poses")
    options.add_argument("--only", nargs="+", default=(), metavar="BACKEND", help="no others")
    chosen = options.parse_args()
    results = measure(chosen.weights, chosen.device, chosen.calls, chosen.only)
    report("refine", results, chosen.json)


if __name__ == "__main__":
    main()
