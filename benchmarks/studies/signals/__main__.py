"""`python -m benchmarks.studies.signals`: repeat the study of NMS consensus and recheck."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.common import MODEL, data_option, write
from benchmarks.studies.common import bootstrap_options, out_option, provenance, write_page
from benchmarks.studies.signals import report, rows
from benchmarks.studies.signals.cost import costs
from benchmarks.studies.signals.images import sheet
from benchmarks.studies.signals.rows import Files
from rcnet_rt.datasets.coco import Dataset

HERE = Path(__file__).resolve().parent

A_FILE = click.Path(path_type=Path, exists=True)


@click.command()
@data_option
@click.option("--predictions", type=A_FILE, multiple=True, required=True, help="With signals.")
@click.option("--augmented", type=A_FILE, multiple=True, help="The same on augmented images.")
@click.option("--model", help=f"Estimator whose costs are measured.  [default: DATA/{MODEL}]")
@click.option("--split", default="val2017", show_default=True, help="Images for the costs.")
@out_option(HERE)
@click.option("--images", type=click.Path(path_type=Path), help="Draw the largest changes here.")
@bootstrap_options(fold_seeds=3, resamples=1000, workers=1)
def main(
    data: Path,
    predictions: tuple[Path, ...],
    augmented: tuple[Path, ...],
    model: str | None,
    split: str,
    out: Path,
    images: Path | None,
    fold_seeds: int,
    resamples: int,
    workers: int,
) -> None:
    """Measure what the signals gain and cost; write results.json and RESULTS.md."""
    start = time.monotonic()
    files, dataset = Files(data / "coco", predictions, augmented), Dataset(data / "coco")
    costs_found = costs(dataset, split, model or str(data / MODEL))
    scores = rows.scores_by_row(files, fold_seeds, workers)
    command = "python -m benchmarks.studies.signals"
    command += f" --fold-seeds {fold_seeds} --resamples {resamples}"
    results: dict[str, Any] = {
        "tables": rows.tables(files, scores, resamples),
        "costs": costs_found,
        "made": provenance(command, time.monotonic() - start),
    }
    out.mkdir(parents=True, exist_ok=True)
    write(results, out / "results.json")
    write_page(out, report.blocks(results))
    if images is not None:
        images.mkdir(parents=True, exist_ok=True)
        _draw(dataset, files, scores, images)
    click.echo(f"{out / 'RESULTS.md'}")


def _draw(dataset: Dataset, files: Files, scores: rows.Scores, folder: Path) -> None:
    steps = {
        "consensus": (rows.NOTHING, rows.CONSENSUS),
        "recheck": (rows.CONSENSUS, rows.RECHECKED),
    }
    for name, (before, after) in steps.items():
        means = [np.mean(scores[row], axis=0) for row in (before, after)]
        sheet(dataset, rows.load(files), *means, folder / f"{name}.png")


if __name__ == "__main__":
    main()
