"""Compare two score vectors for the same poses: COCO AP, ranking, calibration, and the ceiling."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.coco import GroundTruth
from rcnet_rt.datasets.crowdpose import by_crowding
from rcnet_rt.datasets.results import Entry, keypoint_values, scores_of, with_scores
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.average_precision import AveragePrecision, Interval, Metrics, entry_oks
from rcnet_rt.evaluation.metrics import (
    TRUE_POSITIVE,
    Misranked,
    ause_oks,
    expected_calibration_error,
    misranked_false_positives,
    pearson,
    ranking_accuracy,
)
from rcnet_rt.evaluation.plausibility import check_match
from rcnet_rt.poses.oks import Match, match

__all__ = [
    "Comparison",
    "Evaluation",
    "ScoreReport",
    "compare",
    "match_entries",
    "official_metrics",
    "oracle_scores",
]


@dataclass(frozen=True)
class ScoreReport:
    """The metrics of one score vector; NaN where one is undefined.

    Ranking accuracy, Pearson and AUSE-OKS are over the poses matched at OKS 0.5, a sample that
    does not depend on the scores; the rest is over all poses of weight 1.

    Attributes:
        metrics: COCO's metrics, by faster-coco-eval.
        ranking_accuracy: in [0, 1], over all pairs of the dataset.
        ranking_accuracy_within_image: in [0, 1], over pairs on the same image.
        pearson: correlation of score and OKS, in [-1, 1].
        ause: AUSE-OKS, in units of OKS; 0 is the optimal ranking.
        misranked: false positives ranked above a true positive of the same image.
        calibration_error: expected calibration error of the score against matched OKS, in [0, 1].
        ap_by_crowding: CrowdPose's AP on easy, medium and hard images; empty for other datasets.
    """

    metrics: Metrics
    ranking_accuracy: float
    ranking_accuracy_within_image: float
    pearson: float
    ause: float
    misranked: Misranked
    calibration_error: float
    ap_by_crowding: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Two score vectors compared over one set of images.

    Attributes:
        images: number of images.
        people: number of people that count.
        poses: number of poses.
        before: report of the estimator's scores.
        after: report of the new scores.
        ceiling: AP of the oracle scores, see `oracle_scores`.
        gain: in AP, with its 95 % bootstrap interval over images.
        baselines: reports of other scores for comparison, by name.
    """

    images: int
    people: int
    poses: int
    before: ScoreReport
    after: ScoreReport
    ceiling: float
    gain: Interval
    baselines: Mapping[str, ScoreReport] = field(default_factory=dict)

    @property
    def headroom_closed(self) -> float:
        """The gain as a share of the gain of oracle scores; NaN where that is not above 0."""
        headroom = self.ceiling - self.before.metrics.ap
        return self.gain.difference / headroom if headroom > 0 else float("nan")


@dataclass(frozen=True)
class Evaluation:
    """The comparison over all images, and over those with complete annotations.

    The latter is None if no image or every image has complete annotations.
    """

    all_images: Comparison
    complete_images: Comparison | None


def compare(
    ground_truth: GroundTruth,
    entries: Sequence[Entry],
    scores_before: npt.ArrayLike,
    scores_after: npt.ArrayLike,
    baselines: Mapping[str, npt.ArrayLike] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    images: Collection[int] | None = None,
) -> Evaluation:
    """Compare two score vectors on the entries of a results file.

    Over `images`, by default those that occur in the results: people on other images do not count
    as missed, unlike in pycocotools with its default parameters.

    Args:
        ground_truth: the annotated people.
        entries: the E results.
        scores_before: (E,) scores of the estimator.
        scores_after: (E,) new scores.
        baselines: (E,) scores to compare with, by name.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        images: ids of the images to evaluate.

    Raises:
        DatasetError: results that do not belong to the ground truth (see `check_match`), damaged
            entries, or scores that are not finite.
    """
    check_match(ground_truth, entries)
    average_precision = AveragePrecision(ground_truth, entries, images)
    matched = match_entries(ground_truth, entries)

    def over(images: Collection[int]) -> Comparison:
        chosen = ground_truth.subset(images)
        image = np.array([entry["image_id"] for entry in entries])
        inside = np.isin(image, list(chosen.images))
        crowding = by_crowding(chosen)

        def report(values: npt.ArrayLike) -> ScoreReport:
            array = np.asarray(values, dtype=np.float64)
            rescored = with_scores(entries, array)
            return _report(
                official_metrics(chosen, rescored, images),
                {n: average_precision.ap(array, group) for n, group in crowding.items() if group},
                array,
                image,
                matched,
                inside,
            )

        return Comparison(
            images=len(chosen.images),
            people=sum(int((~persons.ignore).sum()) for persons in chosen.persons.values()),
            poses=int(inside.sum()),
            before=report(scores_before),
            after=report(scores_after),
            ceiling=average_precision.ap(matched.target, images),
            gain=average_precision.bootstrap(scores_before, scores_after, resamples, seed, images),
            baselines={name: report(values) for name, values in (baselines or {}).items()},
        )

    everything, complete = average_precision.images, average_precision.complete
    some = 0 < len(complete) < len(everything)
    return Evaluation(over(everything), over(complete) if some else None)


def _report(
    metrics: Metrics,
    ap_by_crowding: Mapping[str, float],
    scores: npt.NDArray[np.float64],
    image: npt.NDArray[np.int64],
    matched: Match,
    inside: npt.NDArray[np.bool_],
) -> ScoreReport:
    """Return the report of (E,) scores over the entries that are inside the evaluated images."""
    counted = inside & (matched.weight > 0)
    true = counted & (matched.target >= TRUE_POSITIVE)
    score, oks = scores[true], matched.target[true]
    return ScoreReport(
        metrics=metrics,
        ranking_accuracy=ranking_accuracy(score, oks),
        ranking_accuracy_within_image=ranking_accuracy(score, oks, image[true]),
        pearson=pearson(score, oks),
        ause=ause_oks(score, oks),
        misranked=misranked_false_positives(
            scores[counted], matched.target[counted], image[counted]
        ),
        calibration_error=expected_calibration_error(scores[counted], matched.target[counted]),
        ap_by_crowding=ap_by_crowding,
    )


def match_entries(ground_truth: GroundTruth, entries: Sequence[Entry]) -> Match:
    """Match the E entries of a results file one to one to the people of their images.

    `person` is the index within the image. Entries on images without ground truth, or of another
    category, have target 0 and weight 0.
    """
    count = len(entries)
    target, weight = np.zeros(count), np.zeros(count)
    person = np.full(count, -1, dtype=np.int64)
    for image, indices, similarity in entry_oks(ground_truth, entries):
        found = match(similarity, ground_truth.persons[image].ignore)
        target[indices], person[indices] = found.target, found.person
        weight[indices] = found.weight
    return Match(target, person, weight)


def oracle_scores(ground_truth: GroundTruth, entries: Sequence[Entry]) -> npt.NDArray[np.float64]:
    """Return the (E,) scores of perfect re-scoring: the matched OKS, and 0 without a match.

    Their AP is the ceiling. The highest OKS with any person would rank duplicates at the top.
    """
    return match_entries(ground_truth, entries).target


def official_metrics(
    ground_truth: GroundTruth, entries: Sequence[Entry], images: Collection[int] | None = None
) -> Metrics:
    """Return COCO's metrics by faster-coco-eval, over `images` or the images that occur.

    Raises:
        DatasetError: none of the images is in the ground truth, or an entry is damaged.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    keypoint_values(entries, ground_truth.skeleton)  # faults are raised as a DatasetError
    scores_of(entries)
    wanted = {entry["image_id"] for entry in entries} if images is None else set(images)
    ids = sorted(wanted & ground_truth.images.keys())
    if not ids:
        raise DatasetError(
            f"none of the {len(wanted)} images of the results is in the ground truth; "
            "give the dataset that the results were made on"
        )
    known = [_result(entry) for entry in entries if entry["image_id"] in ground_truth.images]
    truth = COCO(_annotations(ground_truth), print_function=_silent)
    evaluator = COCOeval_faster(
        truth,
        truth.loadRes(known),
        iouType="keypoints",
        kpt_oks_sigmas=list(ground_truth.skeleton.sigmas),
        extra_calc=False,
        print_function=_silent,
    )
    evaluator.params.imgIds, evaluator.params.catIds = ids, [ground_truth.category_id]
    evaluator.run()
    return Metrics(*(float(value) if value >= 0 else math.nan for value in evaluator.stats[:10]))


def _annotations(ground_truth: GroundTruth) -> dict[str, Any]:
    """Return the ground truth in COCO's format, people numbered from 1.

    Ids of joined splits may collide, and COCOeval takes id 0 for "not matched".
    """
    people = [
        (image, persons, row)
        for image, persons in ground_truth.persons.items()
        for row in range(len(persons))
    ]
    return {
        "images": [{"id": image} for image in ground_truth.images],
        "categories": [{"id": ground_truth.category_id, "name": "person"}],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": ground_truth.category_id,
                "keypoints": np.column_stack([persons.keypoints[row], persons.visible[row]])
                .ravel()
                .tolist(),
                "num_keypoints": int(not persons.ignore[row]),
                "bbox": _xywh(persons.boxes[row]),
                "area": float(persons.areas[row]),
                "iscrowd": int(persons.iscrowd[row]),
            }
            for number, (image, persons, row) in enumerate(people, start=1)
        ],
    }


def _xywh(box: npt.NDArray[np.float64]) -> list[float]:
    return [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]


def _result(entry: Entry) -> Entry:
    """Return a copy with what COCOeval needs, because it writes into its input."""
    keys = ("image_id", "category_id", "keypoints", "score", "bbox")
    return {key: entry[key] for key in keys if key in entry}


def _silent(*_: object, **__: object) -> None:
    """Print nothing."""
