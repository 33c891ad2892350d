"""`rcnet-rt eval`: what refining a results file is worth against a dataset's annotations."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.text import Text

from rcnet_rt.cli.options import dataset_options, debug_option, weights_option
from rcnet_rt.cli.refine import load_refiner, rescore
from rcnet_rt.cli.tables import comparison_table, evaluation_json, wide_console
from rcnet_rt.cli.thresholds import (
    Requirement,
    RequirementResult,
    requirement_options,
    requirement_results,
    requirements_json,
    requirements_table,
)
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.files import write_json
from rcnet_rt.datasets.results import read_results
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.compare import Evaluation, compare
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.report_rows import LEGEND
from rcnet_rt.files.writing import check_output_file
from rcnet_rt.refiner import Refiner
from rcnet_rt.report.folder import PAGE, check_folder
from rcnet_rt.report.page import Subject, write_report
from rcnet_rt.report.png import require_packages
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.version import __version__

__all__ = ["eval_command", "judge", "load_data", "part", "trained_on"]

UNSEEN = "images not trained on"


@click.command("eval", epilog=LEGEND)
@click.argument("results", type=click.Path(path_type=Path))
@dataset_options
@weights_option
@click.option("--split", help="Use this split only.  [default: the image ids find theirs]")
@click.option(
    "--all-images",
    is_flag=True,
    help="Count the images of --split that have no pose too, as pycocotools and crowdposetools do.",
)
@click.option("--json", type=click.Path(path_type=Path), help="Write all figures there too.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write a page there with tables, curves and images of the images that changed most.",
)
@requirement_options
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …")
@click.option("--backend", default="auto", show_default=True, help="What runs the refiner.")
@debug_option
def eval_command(
    results: Path,
    dataset: Dataset,
    weights: str,
    split: str | None,
    all_images: bool,
    json: Path | None,
    report: Path | None,
    requirements: list[Requirement],
    device: str,
    backend: str,
) -> None:
    """Judge the scores of a COCO results file before and after refining.

    RESULTS is what an estimator gave, plain or gzipped; it is judged over the images that occur in
    it, as `rcnet-rt refine` would re-score it. Where weights were trained on some of the images,
    the report and the thresholds are about the others.
    """
    if all_images and split is None:
        raise click.UsageError("--all-images needs --split: all images of which split?")
    _check_outputs(json, report)
    refiner = load_refiner(weights, device, backend)
    data = load_data(results, dataset, split, all_images)
    refined = rescore(data.entries, refiner)
    seen = trained_on(data, refiner.weights)
    unseen = data.ground_truth.images.keys() - seen
    everything = judge(data, refined)
    chosen = part(data, unseen) if seen and not unseen.isdisjoint(data.poses) else data
    fresh = None if chosen is data else judge(chosen, refined)
    found = requirement_results(requirements, chosen, refined)
    console = wide_console()
    click.echo(_heading(results, data, refiner))
    _warn(len(seen), len(data.poses), refiner.weights)
    _show(console, everything)
    if fresh is not None:
        _show(console, fresh, UNSEEN)
    for item in requirements_table(found, UNSEEN if fresh is not None else "all images"):
        console.print(item)
    console.print(Text(LEGEND, "dim"))
    subject = Subject(
        results.name, refiner.weights, refiner.backend_name, len(data.poses), len(seen)
    )
    if json is not None:
        write_json(json, _record(results, subject, everything, fresh, found))
        click.echo(f"figures -> {json}")
    if report is not None:
        shown = fresh or everything
        baselines = {name: chosen.baseline_values(name) for name in shown.all_images.baselines}
        write_report(report, subject, chosen, refined, shown, baselines, dataset)
        click.echo(f"report -> {report / PAGE}")


def _check_outputs(json: Path | None, report: Path | None) -> None:
    """Find out before the work, not after it, that something cannot be written."""
    if json is not None:
        check_output_file(json)
    if report is not None:
        require_packages()
        check_folder(report)


def _record(
    results: Path,
    subject: Subject,
    everything: Evaluation,
    fresh: Evaluation | None,
    found: list[RequirementResult],
) -> dict[str, Any]:
    return {
        "rcnet_rt": __version__,
        "results": str(results),
        "weights": subject.weights.name,
        "backend": subject.backend,
        "images_trained_on": subject.seen,
        **evaluation_json(everything),
        "images_not_trained_on": None if fresh is None else evaluation_json(fresh),
        "thresholds": requirements_json(found),
    }


def load_data(
    results: Path, dataset: Dataset, split: str | None = None, all_images: bool = False
) -> LabeledResults:
    """Read results with the ground truth of their images, or of all images of the split.

    Raises:
        DatasetError: a file is missing or damaged, or no image has both.
    """
    entries = read_results(results)
    if not entries:
        raise DatasetError(f"{results} holds no poses; there is nothing to judge")
    images = {entry["image_id"] for entry in entries}
    return LabeledResults(dataset.ground_truth(split, None if all_images else images), entries)


def part(data: LabeledResults, images: Collection[int]) -> LabeledResults:
    """Return the same results with the ground truth of some of the images."""
    return LabeledResults(data.ground_truth.subset(images), data.entries)


def trained_on(data: LabeledResults, weights: Weights) -> set[int]:
    """Return the images among these that weights were trained on, as far as they tell."""
    return set(data.poses).intersection(weights.training.get("images") or ())


def judge(data: LabeledResults, refined: npt.NDArray[np.float64]) -> Evaluation:
    """Compare raw and refined scores, and those of the baseline that is best on these images."""
    best = data.best_baseline(tuple(data.poses))
    baselines = {best: data.baseline_values(best)}
    truth = data.ground_truth
    return compare(truth, data.entries, data.scores, refined, baselines, images=truth.images)


def _heading(results: Path, data: LabeledResults, refiner: Refiner) -> str:
    total = len({entry["image_id"] for entry in data.entries})
    left_out = total - len(data.poses)
    note = f"; {left_out:,} images have no annotations here and are left out" if left_out else ""
    return f"{results.name}, refined with {refiner.weights.name} ({refiner.backend_name}){note}\n"


def _warn(seen: int, images: int, weights: Weights) -> None:
    """Say where figures flatter because the network has seen the images."""
    if seen:
        click.secho(
            f"Warning: {seen:,} of {images:,} images were trained on: these figures flatter; "
            "held-out figures are in the model card.\n",
            fg="yellow",
        )
    elif not weights.is_baseline and not weights.training.get("images"):
        click.echo("The weights do not name the images that they were trained on.\n")


def _show(console: Console, evaluation: Evaluation, over: str = "") -> None:
    best = next(iter(evaluation.all_images.baselines))
    note = (
        f"{best} is the baseline with the best AP, chosen on these very images: it is flattered.\n"
    )
    for item in comparison_table(evaluation, over, note):
        console.print(item)
