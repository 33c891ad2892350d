"""`python -m benchmarks.studies.drift`: how soon drift is noticed, and how often without any.

Poses are estimated once and kept in `--cache`, so that a study that was interrupted goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks.common import data_option
from benchmarks.studies.common import out_option, provenance, store, write_page
from benchmarks.studies.drift.cost import cost
from benchmarks.studies.drift.figures import delays, other_takes, shuffled_segments, simulated
from benchmarks.studies.drift.recording import Recordings
from benchmarks.studies.drift.report import PARTS, blocks

__all__ = ["main"]

HERE = Path(__file__).resolve().parent


@click.command()
@data_option
@out_option(HERE)
@click.option(
    "--cache", type=click.Path(path_type=Path), default=Path("runs/drift"), show_default=True
)
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Only this.")
@click.option("--draws", default=200, show_default=True, help="Of shuffled segments.")
@click.option("--streams", default=50, show_default=True, help="Simulated, of 10,000 frames each.")
@click.option("--rounds", default=5, show_default=True, help="With and without, for the cost.")
def main(
    data: Path,
    out: Path,
    cache: Path,
    parts: tuple[str, ...],
    draws: int,
    streams: int,
    rounds: int,
) -> None:
    """Measure delays, false alarms and cost; write results.json and RESULTS.md."""
    recordings = Recordings(data, cache)
    measures: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "delays": lambda: list(delays(recordings)),
        "other takes": lambda: list(other_takes(recordings)),
        "segments": lambda: list(shuffled_segments(recordings, draws)),
        "simulated": lambda: list(simulated(streams)),
        "cost": lambda: cost(recordings, rounds),
    }
    results: dict[str, Any] = {}
    for part in parts or PARTS:
        start = time.monotonic()
        rows = measures[part]()
        for row in rows:
            click.echo(f"{part}: {row}")
        made = provenance(
            f"python -m benchmarks.studies.drift --part {part}", time.monotonic() - start
        )
        results = store(out, PARTS, part, {"rows": rows, "made": made})
    write_page(out, blocks(results))


if __name__ == "__main__":
    main()
