"""A long video, interrupts, killed training: `python -m benchmarks.studies.soak [PART …]`.

Writes results.json, RESULTS.md and memory.png. Exit code 1 if any fault was found.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.common import Results, data_option, machine, show, write
from benchmarks.studies.common import out_option, write_page
from benchmarks.studies.soak import endless, interrupts, killed
from benchmarks.studies.soak.report import PARTS, blocks, memory_curve
from rcnet_rt.datasets.files import write_bytes

__all__ = ["faults", "main"]

HERE = Path(__file__).resolve().parent
MAX_SLOPE = 10.0  # MB per 100,000 frames: 7.8 are the index that an MP4 keeps until it is closed


@click.command()
@click.argument("parts", type=click.Choice(list(PARTS)), nargs=-1)
@data_option
@out_option(HERE)
@click.option("--frames", default=100_000, show_default=True, help="Of the long video.")
@click.option("--interrupts", "interrupt_count", default=100, show_default=True, help="Ctrl-C.")
@click.option("--runs", default=20, show_default=True, help="Trainings that are killed.")
def main(
    parts: tuple[str, ...], data: Path, out: Path, frames: int, interrupt_count: int, runs: int
) -> None:
    """Run PARTS, all by default; write results.json, RESULTS.md and memory.png."""
    measures: dict[str, Callable[[Path], Results]] = {
        "endless": lambda folder: endless.measure(folder, frames),
        "interrupts": lambda folder: interrupts.measure(folder, interrupt_count),
        "killed": lambda folder: killed.measure(folder, data, runs),
    }
    results: Results = {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
    for name in parts or measures:
        with tempfile.TemporaryDirectory() as folder:
            results[name] = measures[name](Path(folder))
        show(PARTS[name], {key: item for key, item in results[name].items() if key != "curve"})
    _store(results, out)
    if found := faults(results):
        raise click.ClickException("; ".join(found))


def faults(results: Results) -> list[str]:
    """Return the faults that were found, in words.

    >>> faults({"killed": {"faults": []}})
    []
    """
    found = [fault for name in PARTS for fault in results.get(name, {}).get("faults", [])]
    long = results.get("endless")
    if long is not None:
        slope = long["MB per 100,000 frames"]
        found += [f"memory grows by {slope} MB per 100,000 frames"] * (slope > MAX_SLOPE)
        found += [f"{long['threads left']} threads are left"] * (long["threads left"] > 0)
        found += [f"{file} is left open" for file in long["files left open"]]
    return found


def _store(results: Results, folder: Path) -> None:
    """Write the figures, the page and, where the long video was measured, the image."""
    folder.mkdir(parents=True, exist_ok=True)
    write(results, folder / "results.json")
    write_page(folder, blocks(results))
    if "endless" in results:
        long = results["endless"]
        image = memory_curve(long["curve"], long["warm after frames"])
        write_bytes(folder / "memory.png", image)


if __name__ == "__main__":
    main()
