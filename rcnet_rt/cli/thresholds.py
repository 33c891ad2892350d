"""`eval --min-precision` and its like: the threshold that meets a demand, and what it costs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.table import Table
from rich.text import Text

from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.evaluation.thresholds import (
    OperatingPoint,
    false_positive_threshold,
    operating_points,
    precision_threshold,
    recall_threshold,
)

__all__ = [
    "RequirementResult",
    "Requirement",
    "requirement_results",
    "requirements_json",
    "requirements_table",
    "requirement_options",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Requirement:
    """What a threshold shall reach.

    Attributes:
        figure: precision, recall or false positives per image.
        value: at least, or at most for false positives.
        at_oks: the OKS from which a pose counts as right.
    """

    figure: str
    value: float
    at_oks: float

    def __str__(self) -> str:
        sign = "≤" if self.figure == FALSE_POSITIVES else "≥"
        return f"{self.figure} {sign} {self.value:g}"


@dataclass(frozen=True)
class RequirementResult:
    """The operating point that meets a demand, or None and the one that comes nearest.

    Attributes:
        requirement: what was asked.
        scores: raw or refined.
        point: the answer.
        nearest: the point with the best figure; None without poses.
        images: over so many.
    """

    requirement: Requirement
    scores: str
    point: OperatingPoint | None
    nearest: OperatingPoint | None
    images: int

    @property
    def sentence(self) -> str:
        """Say what is the best that can be had."""
        text = f"No threshold of the {self.scores} scores gives {self.requirement}"
        if self.nearest is None:
            return f"{text}: there are no poses."
        value = FIGURES[self.requirement.figure](self.nearest, self.images)
        return f"{text}: the best is {value:.3f}, at {self.nearest.threshold:.4f}."


PRECISION, RECALL, FALSE_POSITIVES = "precision", "recall", "false positives per image"

FIGURES: Mapping[str, Callable[[OperatingPoint, int], float]] = {
    PRECISION: lambda point, images: point.precision,
    RECALL: lambda point, images: point.recall,
    FALSE_POSITIVES: lambda point, images: point.false_positives / images,
}


def requirement_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --min-precision, --min-recall, --max-fp-per-image, --at-oks; it gets `demands`."""
    share = click.FloatRange(0, 1, min_open=True)

    @click.option("--min-precision", type=share, help="Print the threshold that reaches this.")
    @click.option("--min-recall", type=share, help="Likewise.")
    @click.option("--max-fp-per-image", type=click.FloatRange(0), help="Likewise, at most this.")
    @click.option(
        "--at-oks",
        type=share,
        help=f"OKS from which a pose is right, for these thresholds.  [default: {TRUE_POSITIVE}]",
    )
    @functools.wraps(command)
    def with_demands(
        *arguments: Any,
        min_precision: float | None,
        min_recall: float | None,
        max_fp_per_image: float | None,
        at_oks: float | None,
        **options: Any,
    ) -> Any:
        asked = {PRECISION: min_precision, RECALL: min_recall, FALSE_POSITIVES: max_fp_per_image}
        requirements = [
            Requirement(figure, value, TRUE_POSITIVE if at_oks is None else at_oks)
            for figure, value in asked.items()
            if value is not None
        ]
        if at_oks is not None and not requirements:
            raise click.UsageError(
                "--at-oks needs --min-precision, --min-recall or --max-fp-per-image"
            )
        return command(*arguments, requirements=requirements, **options)

    return with_demands


def requirement_results(
    requirements: Sequence[Requirement], data: LabeledResults, refined: Floats
) -> list[RequirementResult]:
    """Return the thresholds of the raw and of the refined scores for each demand."""
    counted = data.match.weight > 0
    oks = data.match.target[counted]
    truth = data.ground_truth
    people = sum(int((~persons.ignore).sum()) for persons in truth.persons.values())
    return [
        RequirementResult(
            requirement,
            name,
            _find(requirement, scores[counted], oks, people, len(truth.images)),
            _nearest(requirement, scores[counted], oks, people, len(truth.images)),
            len(truth.images),
        )
        for requirement in requirements
        for name, scores in (("raw", data.scores), ("refined", refined))
    ]


def _find(
    requirement: Requirement, scores: Floats, oks: Floats, people: int, images: int
) -> OperatingPoint | None:
    if requirement.figure == PRECISION:
        return precision_threshold(scores, oks, people, requirement.value, requirement.at_oks)
    if requirement.figure == RECALL:
        return recall_threshold(scores, oks, people, requirement.value, requirement.at_oks)
    return false_positive_threshold(
        scores, oks, people, requirement.value * images, requirement.at_oks
    )


def _nearest(
    requirement: Requirement, scores: Floats, oks: Floats, people: int, images: int
) -> OperatingPoint | None:
    sign = -1 if requirement.figure == FALSE_POSITIVES else 1
    points = operating_points(scores, oks, people, requirement.at_oks)
    return max(points, key=lambda p: sign * FIGURES[requirement.figure](p, images), default=None)


def requirements_table(found: Sequence[RequirementResult], over: str) -> Iterator[Table | Text]:
    """Yield what to print: a table of the thresholds, a sentence for each that there is not."""
    if not found:
        return
    yield Text(f"thresholds over {over}, at OKS {found[0].requirement.at_oks:g}", "bold")
    table = Table()
    table.add_column("demand", no_wrap=True)
    for name in ("scores", "threshold", "precision", "recall", "F1", "FPs per image", "kept"):
        table.add_column(name, justify="right")
    for answer in found:
        if (point := answer.point) is not None:
            shares = (
                point.precision,
                point.recall,
                point.f1,
                point.false_positives / answer.images,
            )
            cells = (f"{point.threshold:.4f}", *(f"{x:.3f}" for x in shares), f"{point.kept:,}")
            table.add_row(str(answer.requirement), answer.scores, *cells)
    if table.row_count:
        yield table
    for answer in found:
        if answer.point is None:
            yield Text(answer.sentence)
    yield Text("Chosen on these very images: on others expect a little less.\n")


def requirements_json(found: Sequence[RequirementResult]) -> list[dict[str, Any]]:
    """Return the same as JSON has it; `point` is None where the demand cannot be met."""
    return [
        {
            "demand": answer.requirement.figure,
            "value": answer.requirement.value,
            "at_oks": answer.requirement.at_oks,
            "scores": answer.scores,
            "point": _point_json(answer.point, answer.images),
            "nearest": _point_json(answer.nearest, answer.images),
        }
        for answer in found
    ]


def _point_json(point: OperatingPoint | None, images: int) -> dict[str, float] | None:
    if point is None:
        return None
    return {**asdict(point), "false_positives_per_image": point.false_positives / images}
