"""`python -m benchmarks.studies.full_coco`: measure training at the scale of COCO."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from benchmarks.common import data_option, machine, write
from benchmarks.studies.common import out_option, write_page
from benchmarks.studies.full_coco.children import run
from benchmarks.studies.full_coco.report import blocks

HERE = Path(__file__).resolve().parent


@click.command()
@data_option
@out_option(HERE)
@click.option("--split", default="train2017", show_default=True)
@click.option("--epochs", default=50, show_default=True, help="Of the whole training.")
def main(data: Path, out: Path, split: str, epochs: int) -> None:
    """Simulate results, train on them as a user would, and write results.json and RESULTS.md."""
    start = machine()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        measured = _measure(data / "coco", Path(folder), split, epochs)
    about = {
        "command": f"python -m benchmarks.studies.full_coco --split {split} --epochs {epochs}",
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": {**start, "memory_gb": _memory()},
    }
    results = {**about, **measured}
    write(results, out / "results.json")
    write_page(out, blocks(results))
    click.echo(f"figures -> {out / 'RESULTS.md'}")


def _measure(coco: Path, folder: Path, split: str, epochs: int) -> dict[str, Any]:
    simulated, phases = folder / "simulated.json.gz", folder / "phases.json"
    weights = folder / "run" / "rcnet.safetensors"
    simulator = ("-m", "benchmarks.studies.full_coco.simulator", coco, split, simulated)
    training = ("train", "--coco", coco, "--predictions", simulated, "--epochs", str(epochs))
    costs = {
        "`python -m benchmarks.studies.full_coco.simulator`": run(*simulator),
        f"`rcnet-rt train --coco … --predictions … --epochs {epochs}`": run(
            "-m", "rcnet_rt", *training, "--out", folder / "run"
        ),
        "`rcnet-rt refine RESULTS --weights …`": run(
            "-m", "rcnet_rt", "refine", simulated, "--weights", weights, "--out", folder / "x.json"
        ),
        "`rcnet-rt eval --coco … RESULTS --weights …`": run(
            "-m", "rcnet_rt", "eval", "--coco", coco, simulated, "--weights", weights
        ),
    }
    run("-m", "benchmarks.studies.full_coco.phases", coco, simulated, phases)
    commands = [{"command": name, **asdict(cost)} for name, cost in costs.items()]
    return {"commands": commands, **json.loads(phases.read_text())}


def _memory() -> int:
    """Return the machine's memory in GB."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)


if __name__ == "__main__":
    main()
