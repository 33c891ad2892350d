"""`python -m benchmarks.studies.soak [PART …] [--json FILE]`: a long video, interrupts, killed training.

With --json, RESULTS.md and memory.png go beside the file. Ends with 1 where anything went wrong.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import machine, parser, show, write
from benchmarks.studies.soak import endless, interrupts, killed
from benchmarks.studies.soak.report import PARTS, markdown, memory_curve
from rcnet_rt.datasets.files import write_bytes

__all__ = ["main", "wrong"]

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
STEEPEST = 10.0  # MB per 100,000 frames: 7.8 are the index that an MP4 keeps until it is closed


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show, write; return 1 where anything went wrong."""
    options = parser("What only shows after hours, or when stopped at the wrong moment.")
    options.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    options.add_argument("--data", type=Path, default=Path(os.environ.get("RCNET_RT_DATA", DATA)))
    options.add_argument("--frames", type=int, default=100_000)
    options.add_argument("--interrupts", type=int, default=100)
    options.add_argument("--runs", type=int, default=20, help="trainings that are killed")
    chosen = options.parse_args(arguments)
    measures = {
        "endless": lambda folder: endless.measure(folder, chosen.frames),
        "interrupts": lambda folder: interrupts.measure(folder, chosen.interrupts),
        "killed": lambda folder: killed.measure(folder, chosen.data, chosen.runs),
    }
    if unknown := set(chosen.parts) - set(measures):
        options.error(f"no such part: {', '.join(sorted(unknown))}")
    results: dict[str, Any] = {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
    for name in chosen.parts or measures:
        with tempfile.TemporaryDirectory() as folder:
            results[name] = measures[name](Path(folder))
        show(PARTS[name], {key: item for key, item in results[name].items() if key != "curve"})
    if chosen.json is not None:
        _store(results, chosen.json)
    return int(bool(wrong(results)))


def wrong(results: dict[str, Any]) -> list[str]:
    """Return what went wrong, in words.

    >>> wrong({"killed": {"faults": []}})
    []
    """
    found = [fault for name in PARTS for fault in results.get(name, {}).get("faults", [])]
    long = results.get("endless")
    if long is not None:
        slope = long["MB per 100,000 frames"]
        found += [f"memory grows by {slope} MB per 100,000 frames"] * (slope > STEEPEST)
        found += [f"{long['threads left']} threads are left"] * (long["threads left"] > 0)
        found += [f"{file} is left open" for file in long["files left open"]]
    return found


def _store(results: dict[str, Any], path: Path) -> None:
    """Write the figures, the page and, where the long video was measured, the image."""
    write(results, path)
    (path.parent / "RESULTS.md").write_text(markdown(results), "utf-8")
    if "endless" in results:
        long = results["endless"]
        image = memory_curve(long["curve"], long["warm after frames"])
        write_bytes(path.parent / "memory.png", image)


if __name__ == "__main__":
    sys.exit(main())
