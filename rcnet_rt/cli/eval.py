"""`rcnet-rt eval`: what refining a results file is worth against a data set's annotations."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from rcnet_rt.cli.joints_table import JOINTS_LEGEND, joints_table
from rcnet_rt.cli.options import (
    NOT_WRITTEN,
    backend_option,
    dataset_options,
    debug_option,
    device_option,
    json_option,
    weights_option,
)
from rcnet_rt.cli.tables import comparison_table, wide_console
from rcnet_rt.cli.thresholds import requirement_options, requirements_table
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.compare import Evaluation
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.evaluation.report_rows import LEGEND
from rcnet_rt.report.folder import PAGE
from rcnet_rt.workflows.evaluate import EvaluationResult, evaluate

__all__ = ["eval_command"]

UNSEEN = "images not trained on"


@click.command("eval", epilog=LEGEND)
@click.argument("results", type=click.Path(path_type=Path))
@dataset_options
@weights_option()
@click.option(
    "--split", show_default="found by the image ids", help="Use this split of the data set only."
)
@click.option(
    "--all-images",
    is_flag=True,
    help="Count the images of --split that have no pose too, as pycocotools and crowdposetools do.",
)
@json_option("Write all figures to this file too, as one JSON object.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="DIR",
    show_default=NOT_WRITTEN,
    help="Write a page there with tables, curves and images of the images that changed most.",
)
@requirement_options
@device_option()
@backend_option
@debug_option
def eval_command(
    results: Path,
    dataset: Dataset,
    weights: str,
    split: str | None,
    all_images: bool,
    json: Path | None,
    report: Path | None,
    min_precision: float | None,
    min_recall: float | None,
    max_fp_per_image: float | None,
    at_oks: float | None,
    assurance: float | None,
    device: str,
    backend: str,
) -> None:
    """Judge the scores of a COCO results file before and after refining.

    RESULTS is what an estimator gave, plain or gzipped; it is judged over the images that occur in
    it, as `rcnet-rt refine` would re-score it. Where weights were trained on some of the images,
    the report and the thresholds are about the others.
    """
    asked = (min_precision, min_recall, max_fp_per_image)
    for option, value in (("--at-oks", at_oks), ("--assurance", assurance)):
        if value is not None and all(figure is None for figure in asked):
            raise click.UsageError(
                f"{option} needs --min-precision, --min-recall or --max-fp-per-image"
            )
    if all_images and split is None:
        raise click.UsageError("--all-images needs --split: all images of which split?")
    result = evaluate(
        results,
        dataset,
        weights,
        split=split,
        all_images=all_images,
        min_precision=min_precision,
        min_recall=min_recall,
        max_fp_per_image=max_fp_per_image,
        at_oks=TRUE_POSITIVE if at_oks is None else at_oks,
        assurance=assurance,
        json=json,
        report=report,
        device=device,
        backend=backend,
    )
    _print(result)
    if json is not None:
        click.echo(f"figures -> {json}")
    if report is not None:
        click.echo(f"report -> {report / PAGE}")


def _print(result: EvaluationResult) -> None:
    console = wide_console()
    click.echo(_heading(result))
    _warn(result)
    over = "all images" if result.unseen is None else UNSEEN
    for item in joints_table(result.joints, over):  # long: what matters most stands at the end
        console.print(item)
    _print_tables(console, result.evaluation)
    if result.unseen is not None:
        _print_tables(console, result.unseen, UNSEEN)
    for item in requirements_table(result.thresholds, over):
        console.print(item)
    console.print(Text(LEGEND, "dim"))
    if result.joints is not None:
        console.print(Text(JOINTS_LEGEND, "dim"))


def _heading(result: EvaluationResult) -> str:
    left_out = result.images_left_out
    note = f"; {left_out:,} images have no annotations here and are left out" if left_out else ""
    refined = f"refined with {result.weights.name} ({result.backend})"
    return f"{result.results.name}, {refined}{note}\n"


def _warn(result: EvaluationResult) -> None:
    """Say where figures flatter because the network has seen the images."""
    seen, weights = len(result.trained_on), result.weights
    if seen:
        click.secho(
            f"Warning: {seen:,} of {result.images:,} images were trained on: these figures "
            "flatter; held-out figures are in the model card.\n",
            fg="yellow",
        )
    elif not weights.is_baseline and not weights.training.get("images"):
        click.echo("The weights do not name the images that they were trained on.\n")


def _print_tables(console: Console, evaluation: Evaluation, over: str = "") -> None:
    best = next(iter(evaluation.all_images.baselines))
    note = (
        f"{best} is the baseline with the best AP, chosen on these very images: it is flattered.\n"
    )
    for item in comparison_table(evaluation, over, note):
        console.print(item)
