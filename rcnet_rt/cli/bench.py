"""`rcnet-rt bench`: the time that refining takes on this machine, with every backend here."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from rcnet_rt.cli.options import debug_option, device_option, weights_option
from rcnet_rt.workflows.benchmark import Benchmark, benchmark

__all__ = ["bench"]


@click.command()
@weights_option("Weights to run: auto, a shipped name or a .safetensors file.", "yolo-pose")
@device_option()
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
    measured = benchmark(weights, device=device, calls=calls)
    console = Console()
    console.print(_table(measured))
    auto = f"auto is {measured.auto_backend}: {measured.auto_reason}"
    for sentence in [*measured.absent, auto, measured.machine]:
        console.print(sentence, highlight=False, markup=False)


def _table(measured: Benchmark) -> Table:
    table = Table(title=f"{measured.weights}: microseconds a call, median / 99th percentile")
    counts = measured.backends[0].latencies if measured.backends else ()
    for heading in ("backend", *(f"{count} poses" for count in counts), "poses a second"):
        table.add_column(heading, justify="left" if heading == "backend" else "right")
    for backend in measured.backends:
        cells = [
            f"{1e6 * latency.median:.0f} / {1e6 * latency.p99:.0f}"
            for latency in backend.latencies.values()
        ]
        table.add_row(backend.name, *cells, f"{backend.poses_per_second:,.0f}")
    return table
