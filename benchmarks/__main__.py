"""Repeats every measurement of the performance page: `python -m benchmarks [PART …] [--json FILE]`.

One part alone: `python -m benchmarks.speed.training`, which also takes that part's own options.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from benchmarks.common import json_option, machine, show, write
from rcnet_rt.errors import RcnetError

__all__ = ["PARTS", "main"]

PARTS = {
    "refine": "refinement per call and per pose",
    "pipeline": "video end to end",
    "training": "one training epoch",
    "evaluation": "AP of one set of scores",
    "memory": "peak memory of a long video",
}


@click.command()
@click.argument("parts", type=click.Choice(list(PARTS)), nargs=-1)
@json_option
def main(parts: tuple[str, ...], json_file: Path | None) -> None:
    """Measure PARTS, all by default, one after another on this machine."""
    results: dict[str, Any] = {"machine": machine()}
    show("machine", results["machine"])
    for name in parts or PARTS:
        try:
            results[name] = import_module(f"benchmarks.speed.{name}").measure()
        except (RcnetError, ImportError) as error:  # data or a package that is not here
            results[name] = {"not measured": str(error)}
        show(PARTS[name], results[name])
    if json_file is not None:
        write(results, json_file)


if __name__ == "__main__":
    main()
