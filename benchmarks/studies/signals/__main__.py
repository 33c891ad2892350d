"""`python -m benchmarks.studies.signals`: re-run the study of consensus and recheck."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.studies.accuracy.report import provenance
from benchmarks.studies.signals import rows
from benchmarks.studies.signals.cost import costs
from benchmarks.studies.signals.images import sheet
from benchmarks.studies.signals.report import markdown
from benchmarks.studies.signals.rows import Files
from rcnet_rt.datasets.coco import Dataset

HERE = Path(__file__).resolve().parent

A_FILE = click.Path(path_type=Path, exists=True)


@click.command()
@click.option("--coco", type=A_FILE, required=True)
@click.option("--predictions", type=A_FILE, multiple=True, required=True)
@click.option("--augmentations", type=A_FILE, multiple=True)
@click.option("--model", required=True, help="What the costs are measured on.")
@click.option("--split", default="val2017", show_default=True, help="Images for the costs.")
@click.option("--out", type=click.Path(path_type=Path), default=HERE, help="Folder of results.")
@click.option("--images", type=click.Path(path_type=Path), help="Draw the largest changes here.")
@click.option("--fold-seeds", default=3, show_default=True, help="How many splits into folds.")
@click.option("--resamples", default=1000, show_default=True, help="Of the bootstrap.")
@click.option("--workers", default=1, show_default=True, help="Processes, each on one thread.")
def main(
    coco: Path,
    predictions: tuple[Path, ...],
    copies: tuple[Path, ...],
    model: str,
    split: str,
    out: Path,
    images: Path | None,
    fold_seeds: int,
    resamples: int,
    workers: int,
) -> None:
    """Measure what the signals bring and cost; write results.json and RESULTS.md."""
    begin = time.monotonic()
    files, dataset = Files(coco, predictions, copies), Dataset(coco)
    spent = costs(dataset, split, model)
    scores = rows.scores_by_row(files, fold_seeds, workers)
    results: dict[str, Any] = {
        "tables": rows.tables(files, scores, resamples),
        "costs": spent,
        "made": provenance(
            f"python -m benchmarks.studies.signals --fold-seeds {fold_seeds} --resamples {resamples}",
            time.monotonic() - begin,
        ),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (out / "RESULTS.md").write_text(markdown(results))
    if images is not None:
        images.mkdir(parents=True, exist_ok=True)
        _draw(dataset, files, scores, images)
    click.echo(f"{out / 'RESULTS.md'}")


def _draw(dataset: Dataset, files: Files, scores: rows.Scores, folder: Path) -> None:
    steps = {
        "consensus": (rows.NOTHING, rows.CONSENSUS),
        "second_look": (rows.CONSENSUS, rows.LOOKED),
    }
    for name, (before, after) in steps.items():
        means = [np.mean(scores[row], axis=0) for row in (before, after)]
        sheet(dataset, rows.load(files), *means, folder / f"{name}.png")


if __name__ == "__main__":
    main()
