"""`python -m benchmarks.studies.accuracy`: repeat the accuracy study."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.common import data_option
from benchmarks.studies.accuracy import report
from benchmarks.studies.accuracy.parts import PARTS, Subject
from benchmarks.studies.accuracy.protocol import ESTIMATORS
from benchmarks.studies.accuracy.study import Options, run_rows
from benchmarks.studies.common import bootstrap_options, out_option, provenance

HERE = Path(__file__).resolve().parent


@click.command()
@data_option
@out_option(HERE)
@click.option("--part", type=click.Choice([*PARTS, "all"]), default="all", show_default=True)
@click.option(
    "--estimator",
    "names",
    type=click.Choice([*ESTIMATORS]),
    multiple=True,
    help="Only these; tables of the others stay as they are.  [default: all of the part]",
)
@click.option(
    "--rows",
    default="",
    metavar="REGEX",
    help="Only rows whose names match; the others stay as they are.  [default: all]",
)
@click.option(
    "--cells",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/accuracy"),
    show_default=True,
    help="Folder of finished cells; a study that was stopped goes on from there.",
)
@click.option("--finished", is_flag=True, help="Compute nothing: report the cells that are there.")
@bootstrap_options(fold_seeds=3, resamples=1000, workers=1)
@click.option("--quick", is_flag=True, help="A few epochs, one seed: whether it runs at all.")
def main(
    data: Path,
    out: Path,
    part: str,
    names: tuple[str, ...],
    rows: str,
    cells: Path,
    finished: bool,
    fold_seeds: int,
    resamples: int,
    workers: int,
    quick: bool,
) -> None:
    """Repeat the accuracy study and write results.json, RESULTS.md and learning.png."""
    command = f"python -m benchmarks.studies.accuracy --part {{}} --fold-seeds {fold_seeds}"
    command += f" --resamples {resamples} --workers {workers}" + " --quick" * quick
    command += "".join(f" --estimator {name}" for name in names)
    command += f' --rows "{rows}"' if rows else ""
    if quick:
        fold_seeds, resamples = 1, 50
    options = Options(data, fold_seeds, resamples, workers, cells, not finished, rows)
    for name in PARTS if part == "all" else [part]:
        tables = {
            estimator.name: run_rows(options, Subject(estimator, quick), PARTS[name], _log)
            for estimator in PARTS[name].estimators
            if estimator.name in (names or ESTIMATORS)
        }
        if not tables:
            continue  # a part of other estimators
        # That of the cells, whenever they were computed.
        seconds = sum(table["all"]["seconds"] for table in tables.values())
        made = provenance(command.format(name), seconds) | {"rows": rows}
        report.keep(out, name, made, tables)
        click.echo(f"{name}: {made['seconds']} s, {out / 'RESULTS.md'}")


def _log(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
