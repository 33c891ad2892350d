"""Every number that the report shows, by the functions that `rcnet-rt eval` prints from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.average_precision import AveragePrecision, Interval
from rcnet_rt.evaluation.compare import Evaluation
from rcnet_rt.evaluation.error_types import WRONG_TYPES, error_types
from rcnet_rt.evaluation.labeled_results import Data
from rcnet_rt.evaluation.metrics import (
    TRUE_POSITIVE,
    Reliability,
    Sparsification,
    reliability,
    sparsification,
)
from rcnet_rt.evaluation.report_rows import sorted_peers

__all__ = ["KINDS_OKS", "ErrorType", "ImageChange", "Numbers", "Pair", "collect"]

T = TypeVar("T")
KINDS_OKS = 0.75  # at 0.5 a pose whose joints are all near their place is right, and no jitter
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pair(Generic[T]):
    """The same thing of raw and of refined scores."""

    before: T
    after: T


@dataclass(frozen=True)
class ErrorType:
    """What became of one kind of wrong pose.

    Attributes:
        name: of `evaluation.error_types`.
        count: how many.
        outranked: mean share of the right poses that score lower; less is better.
        gained: how many outrank more right poses than before.
        lost: how many outrank fewer.
    """

    name: str
    count: int
    outranked: Pair[float]
    gained: int
    lost: int


@dataclass(frozen=True)
class ImageChange:
    """The AP of one image alone."""

    image: int
    people: int
    ap: Pair[float]

    @property
    def weight(self) -> float:
        """By how much the order changed: the change of AP times the people whom it concerns."""
        return (self.ap.after - self.ap.before) * self.people


@dataclass(frozen=True, eq=False)
class Numbers:
    """What the report shows.

    Attributes:
        evaluation: all and complete images, as `rcnet-rt eval` prints them.
        gains: of COCO's figures, by their name in `Metrics`.
        baseline: the best other score, and the AP gain over it; None where there is none.
        precision: (T, 101) at COCO's thresholds and recalls.
        sparsification: over the poses matched at OKS 0.5.
        reliability: over all poses of weight 1.
        scores: (N,) of the poses of weight 1.
        oks: (N,) matched OKS of the same poses.
        kinds: the kinds of poses that are wrong at `KINDS_OKS`, as far as they occur.
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
    kinds: tuple[ErrorType, ...]
    images: tuple[ImageChange, ...]

    @property
    def right(self) -> Booleans:
        """(N,) which poses are matched at OKS 0.5."""
        return self.oks >= TRUE_POSITIVE


def collect(
    data: Data,
    refined: Floats,
    evaluation: Evaluation,
    peers: Mapping[str, Floats],
    resamples: int = 1000,
) -> Numbers:
    """Return the numbers of a results file under its own and under refined scores.

    Args:
        data: the results with the ground truth of the images that the report is about.
        refined: (E,) scores of the results' entries.
        evaluation: of the same.
        peers: (E,) the other scores that it compares, by name.
        resamples: of the bootstrap.
    """
    judge = AveragePrecision(data.ground_truth, data.entries, data.ground_truth.images)
    counted = data.match.weight > 0
    oks = data.match.target[counted]
    scores = Pair(data.scores[counted], refined[counted])
    right = oks >= TRUE_POSITIVE
    baseline = next(iter(sorted_peers(evaluation.all_images)), None)
    return Numbers(
        evaluation=evaluation,
        gains=judge.bootstrap_metrics(data.scores, refined, resamples),
        baseline=None
        if baseline is None
        else (baseline, judge.bootstrap(peers[baseline], refined, resamples)),
        precision=Pair(judge.curves(data.scores), judge.curves(refined)),
        sparsification=Pair(
            sparsification(scores.before[right], oks[right]),
            sparsification(scores.after[right], oks[right]),
        ),
        reliability=Pair(reliability(scores.before, oks), reliability(scores.after, oks)),
        scores=scores,
        oks=oks,
        kinds=_kinds(data, counted, scores),
        images=_images(judge, data, refined),
    )


def _kinds(data: Data, counted: Booleans, scores: Pair[Floats]) -> tuple[ErrorType, ...]:
    kind = np.full(len(data.entries), "background", dtype="U10")
    truth = data.ground_truth
    for image, item in data.poses.items():
        kind[item.entries] = error_types(
            item.poses.keypoints, truth.persons[image], truth.skeleton, KINDS_OKS
        )
    kind, right = kind[counted], data.match.target[counted] >= KINDS_OKS
    outranked = Pair(_below(scores.before, right), _below(scores.after, right))
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
        for name in WRONG_TYPES
        if (members := kind == name).any()
    )


def _below(scores: Floats, right: Booleans) -> Floats:
    """Return (N,) the share of the right poses that each pose outranks; ties count half."""
    ordered = np.sort(scores[right])
    if not len(ordered):
        return np.zeros(len(scores))
    sides = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return np.asarray(sides / (2 * len(ordered)))


def _images(judge: AveragePrecision, data: Data, refined: Floats) -> tuple[ImageChange, ...]:
    before, after = judge.by_image(data.scores), judge.by_image(refined)
    changes = [
        ImageChange(
            image,
            int((~data.ground_truth.persons[image].ignore).sum()),
            Pair(float(before[place]), float(after[place])),
        )
        for place, image in enumerate(judge.images)
        if before[place] != after[place]
    ]
    return tuple(sorted(changes, key=lambda change: -change.weight))
