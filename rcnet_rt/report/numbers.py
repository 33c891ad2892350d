"""All numbers of the report, computed by the same functions as the output of `rcnet-rt eval`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.average_precision import AveragePrecision, Interval
from rcnet_rt.evaluation.compare import Evaluation
from rcnet_rt.evaluation.error_types import FALSE_TYPES, error_types
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import (
    TRUE_POSITIVE,
    Reliability,
    Sparsification,
    reliability,
    sparsification,
)
from rcnet_rt.evaluation.report_rows import sorted_baselines

__all__ = ["ERROR_TYPES_OKS", "ErrorType", "ImageChange", "Numbers", "Pair", "collect"]

T = TypeVar("T")
ERROR_TYPES_OKS = 0.75  # at 0.5 a pose with jitter at every joint would be correct
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pair(Generic[T]):
    """The same quantity for raw and for refined scores."""

    before: T
    after: T


@dataclass(frozen=True)
class ErrorType:
    """How one type of false positive is ranked.

    Attributes:
        name: a type of `evaluation.error_types`.
        count: number of poses.
        outranked: mean share of the true positives that score lower, in [0, 1]; lower is better.
        gained: number of poses that outrank more true positives than before.
        lost: number of poses that outrank fewer.
    """

    name: str
    count: int
    outranked: Pair[float]
    gained: int
    lost: int


@dataclass(frozen=True)
class ImageChange:
    """The AP of one image alone, before and after."""

    image: int
    people: int
    ap: Pair[float]

    @property
    def weight(self) -> float:
        """The change of AP times the number of people."""
        return (self.ap.after - self.ap.before) * self.people


@dataclass(frozen=True, eq=False)
class Numbers:
    """The numbers of the report.

    Attributes:
        evaluation: over all and over completely annotated images, as `rcnet-rt eval` prints it.
        gains: in COCO's metrics, by their name in `Metrics`.
        baseline: the best baseline and the AP gain over it; None where there is none.
        precision: (T, 101) at COCO's thresholds and recalls.
        sparsification: over the poses matched at OKS 0.5.
        reliability: over all poses of weight 1.
        scores: (N,) of the poses of weight 1.
        oks: (N,) matched OKS of the same poses.
        error_types: the types of false positives at `ERROR_TYPES_OKS` that occur.
        images: the images whose AP changed, the largest gain first.
    """

    evaluation: Evaluation
    gains: Mapping[str, Interval]
    baseline: tuple[str, Interval] | None
    precision: Pair[Floats]
    sparsification: Pair[Sparsification]
    reliability: Pair[Reliability]
    scores: Pair[Floats]
    oks: Floats
    error_types: tuple[ErrorType, ...]
    images: tuple[ImageChange, ...]

    @property
    def true_positives(self) -> Booleans:
        """(N,) mask of the poses matched at OKS 0.5."""
        return self.oks >= TRUE_POSITIVE


def collect(
    data: LabeledResults,
    refined: Floats,
    evaluation: Evaluation,
    baselines: Mapping[str, Floats],
    resamples: int = 1000,
) -> Numbers:
    """Return the numbers of a results file with its raw and with refined scores.

    Args:
        data: the results with the ground truth of the images that the report is about.
        refined: (E,) refined scores of the results' entries.
        evaluation: of the same scores.
        baselines: (E,) the other scores that the evaluation compares, by name.
        resamples: of the bootstrap.
    """
    evaluator = AveragePrecision(data.ground_truth, data.entries, data.ground_truth.images)
    counted = data.match.weight > 0
    oks = data.match.target[counted]
    scores = Pair(data.scores[counted], refined[counted])
    true = oks >= TRUE_POSITIVE
    baseline = next(iter(sorted_baselines(evaluation.all_images)), None)
    return Numbers(
        evaluation=evaluation,
        gains=evaluator.bootstrap_metrics(data.scores, refined, resamples),
        baseline=None
        if baseline is None
        else (baseline, evaluator.bootstrap(baselines[baseline], refined, resamples)),
        precision=Pair(evaluator.curves(data.scores), evaluator.curves(refined)),
        sparsification=Pair(
            sparsification(scores.before[true], oks[true]),
            sparsification(scores.after[true], oks[true]),
        ),
        reliability=Pair(reliability(scores.before, oks), reliability(scores.after, oks)),
        scores=scores,
        oks=oks,
        error_types=_error_types(data, counted, scores),
        images=_images(evaluator, data, refined),
    )


def _error_types(
    data: LabeledResults, counted: Booleans, scores: Pair[Floats]
) -> tuple[ErrorType, ...]:
    """Return the types of the (N,) counted poses that occur, with how they are ranked."""
    types: npt.NDArray[np.str_] = np.full(len(data.entries), "background", dtype="U10")
    truth = data.ground_truth
    for image, item in data.poses.items():
        types[item.entries] = error_types(
            item.poses.keypoints, truth.persons[image], truth.skeleton, ERROR_TYPES_OKS
        )
    types, true = types[counted], data.match.target[counted] >= ERROR_TYPES_OKS
    outranked = Pair(_below(scores.before, true), _below(scores.after, true))
    return tuple(
        ErrorType(
            name=name,
            count=int(members.sum()),
            outranked=Pair(
                float(outranked.before[members].mean()), float(outranked.after[members].mean())
            ),
            gained=int((outranked.after > outranked.before)[members].sum()),
            lost=int((outranked.after < outranked.before)[members].sum()),
        )
        for name in FALSE_TYPES
        if (members := types == name).any()
    )


def _below(scores: Floats, true: Booleans) -> Floats:
    """Return the (N,) share of the true positives that each pose outranks; ties count half."""
    ordered = np.sort(scores[true])
    if not len(ordered):
        return np.zeros(len(scores))
    sides = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return np.asarray(sides / (2 * len(ordered)))


def _images(
    evaluator: AveragePrecision, data: LabeledResults, refined: Floats
) -> tuple[ImageChange, ...]:
    before, after = evaluator.by_image(data.scores), evaluator.by_image(refined)
    changes = [
        ImageChange(
            image,
            int((~data.ground_truth.persons[image].ignore).sum()),
            Pair(float(before[place]), float(after[place])),
        )
        for place, image in enumerate(evaluator.images)
        if abs(after[place] - before[place]) > 0  # not NaN: somebody counts
    ]
    return tuple(sorted(changes, key=lambda change: -change.weight))
