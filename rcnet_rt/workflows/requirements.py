"""The thresholds that reach a precision, a recall or a number of false positives per image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.thresholds import (
    OperatingPoint,
    false_positive_threshold,
    operating_points,
    precision_threshold,
    recall_threshold,
)

__all__ = [
    "FALSE_POSITIVES",
    "PRECISION",
    "RECALL",
    "Requirement",
    "RequirementResult",
    "requirement_results",
    "requirements_json",
]

Floats = npt.NDArray[np.float64]

PRECISION, RECALL, FALSE_POSITIVES = "precision", "recall", "false positives per image"


@dataclass(frozen=True)
class Requirement:
    """What a threshold is to reach.

    Attributes:
        figure: PRECISION, RECALL or FALSE_POSITIVES.
        value: the minimum; for false positives the maximum.
        at_oks: OKS from which a pose is a true positive.
    """

    figure: str
    value: float
    at_oks: float

    def __str__(self) -> str:
        sign = "≤" if self.figure == FALSE_POSITIVES else "≥"
        return f"{self.figure} {sign} {self.value:g}"


@dataclass(frozen=True)
class RequirementResult:
    """The operating point that meets a requirement, or None and the one that comes nearest.

    Attributes:
        requirement: what was asked for.
        scores: raw or refined.
        point: the answer.
        nearest: the point with the best figure; None without poses.
        images: number of images that it is measured on.
    """

    requirement: Requirement
    scores: str
    point: OperatingPoint | None
    nearest: OperatingPoint | None
    images: int

    @property
    def sentence(self) -> str:
        """What is the best that can be had, where there is no such threshold."""
        text = f"No threshold of the {self.scores} scores gives {self.requirement}"
        if self.nearest is None:
            return f"{text}: there are no poses."
        value = FIGURES[self.requirement.figure](self.nearest, self.images)
        return f"{text}: the best is {value:.3f}, at {self.nearest.threshold:.4f}."


FIGURES: Mapping[str, Callable[[OperatingPoint, int], float]] = {
    PRECISION: lambda point, images: point.precision,
    RECALL: lambda point, images: point.recall,
    FALSE_POSITIVES: lambda point, images: point.false_positives / images,
}


def requirement_results(
    requirements: Sequence[Requirement], data: LabeledResults, refined: Floats
) -> list[RequirementResult]:
    """Return the thresholds of the raw and of the refined scores for each requirement."""
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


def requirements_json(results: Sequence[RequirementResult]) -> list[dict[str, Any]]:
    """Return the same as JSON has it; `point` is None where the requirement cannot be met."""
    return [
        {
            "demand": result.requirement.figure,
            "value": result.requirement.value,
            "at_oks": result.requirement.at_oks,
            "scores": result.scores,
            "point": _point_json(result.point, result.images),
            "nearest": _point_json(result.nearest, result.images),
        }
        for result in results
    ]


def _point_json(point: OperatingPoint | None, images: int) -> dict[str, float] | None:
    if point is None:
        return None
    return {**asdict(point), "false_positives_per_image": point.false_positives / images}
