"""`python -m benchmarks.studies.accuracy`: re-run the accuracy study."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from benchmarks.studies.accuracy import report
from benchmarks.studies.accuracy.parts import PARTS, Subject
from benchmarks.studies.accuracy.protocol import ESTIMATORS
from benchmarks.studies.accuracy.study import Options, run_rows

HERE = Path(__file__).resolve().parent


def default_data() -> Path:
    """Return where the data is: what RCNET_RT_DATA says, or beside the checkout."""
    beside = HERE.parents[2] / "shared" / "data"
    return Path(os.environ.get("RCNET_RT_DATA", beside))


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=default_data)
@click.option("--out", type=click.Path(path_type=Path), default=HERE, help="Folder of results.")
@click.option("--part", type=click.Choice([*PARTS, "all"]), default="all", show_default=True)
@click.option(
    "--copies",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="YOLO-Pose's results on altered copies, from `rcnet-rt predict --copies`.",
)
@click.option("--fold-seeds", default=3, show_default=True, help="How many splits into folds.")
@click.option("--resamples", default=1000, show_default=True, help="Of the bootstrap.")
@click.option("--workers", default=1, show_default=True, help="Processes, each on one thread.")
@click.option("--quick", is_flag=True, help="A few epochs, one seed: whether it runs at all.")
def main(
    data: Path,
    out: Path,
    part: str,
    copies: tuple[Path, ...],
    fold_seeds: int,
    resamples: int,
    workers: int,
    quick: bool,
) -> None:
    """Re-run the accuracy study and write results.json and RESULTS.md."""
    command = f"python -m benchmarks.studies.accuracy --part {{}} --fold-seeds {fold_seeds}"
    command += f" --resamples {resamples} --workers {workers}" + " --quick" * quick
    command += "".join(f" --copies {file.name}" for file in copies)
    if quick:
        fold_seeds, resamples = 1, 50
    options = Options(data, fold_seeds, resamples, workers)
    for name in PARTS if part == "all" else [part]:
        begin = time.monotonic()
        tables = {
            estimator: run_rows(
                options,
                Subject(estimator, quick, copies if estimator == "yolo-pose" else ()),
                PARTS[name],
                _tell,
            )
            for estimator in ESTIMATORS
        }
        made = report.provenance(command.format(name), time.monotonic() - begin)
        report.keep(out, name, {"made": made, "estimators": tables})
        click.echo(f"{name}: {made['seconds']} s, {out / 'RESULTS.md'}")


def _tell(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
