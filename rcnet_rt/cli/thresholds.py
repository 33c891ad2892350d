"""`eval --min-precision` and its like: the options, and the table of thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.evaluation.thresholds import OperatingPoint
from rcnet_rt.workflows.requirements import RequirementResult

__all__ = ["requirement_options", "requirements_table"]

NOT_SEARCHED = "not searched for"


def requirement_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --min-precision, --min-recall, --max-fp-per-image, --at-oks, --assurance."""
    share = click.FloatRange(0, 1, min_open=True)
    options = [
        click.option(
            "--min-precision",
            type=share,
            show_default=NOT_SEARCHED,
            help="Print the threshold that reaches this precision, and its recall.",
        ),
        click.option(
            "--min-recall",
            type=share,
            show_default=NOT_SEARCHED,
            help="Print the threshold that reaches this recall, and its precision.",
        ),
        click.option(
            "--max-fp-per-image",
            type=click.FloatRange(0),
            show_default=NOT_SEARCHED,
            help="Print the threshold with no more false positives per image than this.",
        ),
        click.option(
            "--at-oks",
            type=share,
            show_default=str(TRUE_POSITIVE),
            help="OKS from which a pose is a true positive, for these thresholds.",
        ),
        click.option(
            "--assurance",
            type=click.FloatRange(0, 1, min_open=True, max_open=True),
            show_default="no guarantee",
            help="Print also the thresholds that keep these figures on new images like these with "
            "this probability, or how many labeled images that would take.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def requirements_table(results: Sequence[RequirementResult], over: str) -> Iterator[Table | Text]:
    """Yield what to print: a table of the thresholds, a sentence for each that there is not."""
    if not results:
        return
    yield Text(f"thresholds over {over}, at OKS {results[0].requirement.at_oks:g}", "bold")
    table = Table()
    table.add_column("demand", no_wrap=True)
    for name in ("scores", "threshold", "precision", "recall", "F1", "FPs per image", "kept"):
        table.add_column(name, justify="right")
    for result in results:
        if (point := result.point) is not None:
            table.add_row(str(result.requirement), result.scores, *_cells(point, result.images))
        if (guarantee := result.guarantee) is not None and guarantee.point is not None:
            promise = f"{result.requirement}, assured {guarantee.assurance:g}"
            table.add_row(promise, result.scores, *_cells(guarantee.point, result.images))
    if table.row_count:
        yield table
    for result in results:
        if result.point is None:
            yield Text(result.sentence)
        if (guarantee := result.guarantee) is not None and guarantee.point is None:
            yield Text(f"{result.scores.capitalize()} scores: {guarantee.sentence}")
    chosen = "Chosen on these very images: on others expect a little less."
    if any(result.guarantee is not None for result in results):
        chosen += " Assured ones keep their figure on new images from the same source."
    yield Text(f"{chosen}\n")


def _cells(point: OperatingPoint, images: int) -> tuple[str, ...]:
    shares = (point.precision, point.recall, point.f1, point.false_positives / images)
    return (f"{point.threshold:.4f}", *(f"{x:.3f}" for x in shares), f"{point.kept:,}")
