"""`python -m benchmarks.studies.ablations`: repeat the paper's ablations."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks.common import data_option
from benchmarks.studies.ablations import learning, networks, parts, report, visual
from benchmarks.studies.ablations.settings import SETTINGS
from benchmarks.studies.accuracy.parts import Part, Subject
from benchmarks.studies.accuracy.protocol import EARLIER, Estimator
from benchmarks.studies.accuracy.study import Options, run_rows
from benchmarks.studies.common import bootstrap_options, out_option, provenance

HERE = Path(__file__).resolve().parent

Run = Callable[[Options, Estimator, bool], Any]


def _by_rows(part: Part, options: Options, estimator: Estimator, quick: bool) -> Any:
    return run_rows(options, Subject(estimator, quick), part, _log)


def _by(module: Any, name: str, options: Options, estimator: Estimator, quick: bool) -> Any:
    return module.run(options, estimator, name, quick, _log)


def _visual(options: Options, estimator: Estimator, quick: bool) -> Any:
    return visual.run(options, estimator, quick, _log)


PARTS: dict[str, Run] = {
    **{name: partial(_by_rows, part) for name, part in parts.PARTS.items()},
    **{f"networks {name}": partial(_by, networks, name) for name in SETTINGS},
    "visual": _visual,
    **{f"learning {name}": partial(_by, learning, name) for name in learning.RECIPES},
}


@click.command()
@data_option
@out_option(HERE)
@click.option("--part", type=click.Choice([*PARTS, "all"]), default="all", show_default=True)
@bootstrap_options(fold_seeds=2, resamples=500, workers=2)
@click.option("--quick", is_flag=True, help="A few epochs, one seed: whether it runs at all.")
def main(
    data: Path,
    out: Path,
    part: str,
    fold_seeds: int,
    resamples: int,
    workers: int,
    quick: bool,
) -> None:
    """Repeat the ablations and write results.json, RESULTS.md and learning.png."""
    command = (
        f"python -m benchmarks.studies.ablations --fold-seeds {fold_seeds} --resamples {resamples}"
    )
    command += f" --workers {workers}" + " --quick" * quick
    command += f' --part "{part}"' if part != "all" else ""
    options = (
        Options(data, 1, 20, workers) if quick else Options(data, fold_seeds, resamples, workers)
    )
    for name in PARTS if part == "all" else [part]:
        start = time.monotonic()
        found = {
            estimator.name: PARTS[name](options, estimator, quick) for estimator in EARLIER.values()
        }
        made = provenance(command, time.monotonic() - start)
        report.keep(out, list(PARTS), name, {"made": made, "estimators": found})
        _log(f"{name}: {made['seconds']} s")


def _log(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
