"""The thresholds that reach a precision, a recall or a number of false positives per image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.guarantees import Guarantee, ScoredImages, guaranteed_threshold
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.thresholds import (
    FALSE_POSITIVES,
    PRECISION,
    RECALL,
    OperatingPoint,
    Requirement,
    false_positive_threshold,
    operating_points,
    precision_threshold,
    recall_threshold,
)

__all__ = ["RequirementResult", "requirement_results", "requirements_json"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RequirementResult:
    """The operating point that meets a requirement, or None and the one that comes nearest.

    Attributes:
        requirement: what was asked for.
        scores: raw or refined.
        point: the answer.
        nearest: the point with the best figure; None without poses.
        images: number of images that it is measured on.
        guarantee: the threshold that keeps the requirement on new images; None where no assurance
            was asked for.
    """

    requirement: Requirement
    scores: str
    point: OperatingPoint | None
    nearest: OperatingPoint | None
    images: int
    guarantee: Guarantee | None = None

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
    requirements: Sequence[Requirement],
    data: LabeledResults,
    refined: Floats,
    assurance: float | None = None,
) -> list[RequirementResult]:
    """Return the thresholds of the raw and of the refined scores for each requirement."""
    return [
        _result(requirement, name, data.scored_images(scores), assurance)
        for requirement in requirements
        for name, scores in (("raw", data.scores), ("refined", refined))
    ]


def _result(
    requirement: Requirement, name: str, scored: ScoredImages, assurance: float | None
) -> RequirementResult:
    people, images = int(scored.people.sum()), len(scored.people)
    return RequirementResult(
        requirement,
        name,
        _find(requirement, scored.scores, scored.oks, people, images),
        _nearest(requirement, scored.scores, scored.oks, people, images),
        images,
        None if assurance is None else guaranteed_threshold(scored, requirement, assurance),
    )


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
            "guarantee": _guarantee_json(result.guarantee),
        }
        for result in results
    ]


def _point_json(point: OperatingPoint | None, images: int) -> dict[str, float] | None:
    if point is None:
        return None
    return {**asdict(point), "false_positives_per_image": point.false_positives / images}


def _guarantee_json(guarantee: Guarantee | None) -> dict[str, Any] | None:
    if guarantee is None:
        return None
    return {
        "assurance": guarantee.assurance,
        "images": guarantee.images,
        "point": _point_json(guarantee.point, guarantee.images),
        "images_needed": guarantee.images_needed,
    }
