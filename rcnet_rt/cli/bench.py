"""`rcnet-rt bench`: how long refining takes on this machine, with every backend that is here."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from importlib.util import find_spec

import click
from rich.console import Console
from rich.table import Table

from rcnet_rt.cli.options import debug_option
from rcnet_rt.refiner import Refiner, find_weights
from rcnet_rt.workflows.benchmark import latencies, present_backends, some_poses

__all__ = ["bench"]

COUNTS = (1, 5, 20, 100)
BLOCK = 200  # calls that a backend has in its turn
PACKAGES = ("numpy", "numba", "onnxruntime", "torch")
IMAGES = 1000  # of 20 poses, for the throughput


@click.command()
@click.option("--weights", default="yolo-pose", show_default=True, metavar="NAME|FILE")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …")
@click.option(
    "--calls",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Calls of each backend with each number of poses.",
)
@debug_option
def bench(weights: str, device: str, calls: int) -> None:
    """Measure refining on this machine: microseconds a call, and poses a second.

    A call is `Refiner.refine` from NumPy to NumPy, features and calibration included. Backends take
    turns of 200 calls. Throughput is `Refiner.batch` over many images of 20 poses.
    """
    chosen = find_weights(weights)
    refiners, absent = present_backends(chosen, device)
    table = Table(title=f"{chosen.name}: microseconds a call, median / 99th percentile")
    for heading in ("backend", *(f"{count} poses" for count in COUNTS), "poses a second"):
        table.add_column(heading, justify="left" if heading == "backend" else "right")
    columns = [_latencies(refiners, count, calls) for count in COUNTS]
    for name, refiner in refiners.items():
        cells = [f"{1e6 * p50:.0f} / {1e6 * p99:.0f}" for p50, p99 in (c[name] for c in columns)]
        table.add_row(name, *cells, f"{_throughput(refiner):,.0f}")
    console = Console()
    console.print(table)
    for sentence in [*absent, f"auto is {_auto(chosen.name, device)}", _machine()]:
        console.print(sentence, highlight=False, markup=False)


def _latencies(
    refiners: dict[str, Refiner], count: int, calls: int
) -> dict[str, tuple[float, float]]:
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
    return latencies(candidates, rounds=-(-calls // BLOCK), block=BLOCK)


def _throughput(refiner: Refiner) -> float:
    images = [some_poses(20)] * IMAGES
    refiner.batch(images[:50])
    begin = time.perf_counter()
    refiner.batch(images)
    return 20 * IMAGES / (time.perf_counter() - begin)


def _auto(weights: str, device: str) -> str:
    refiner = Refiner(weights, device=device)
    return f"{refiner.backend_name}: {refiner.backend_reason}"


def _machine() -> str:
    versions = [
        f"{name} {importlib.metadata.version(name)}" for name in PACKAGES if find_spec(name)
    ]
    python = f"Python {platform.python_version()}"
    return f"{platform.machine()}, {os.cpu_count()} cores; {', '.join([python, *versions])}"
