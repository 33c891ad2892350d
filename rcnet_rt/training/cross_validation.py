"""Score held-out images, and fit calibration and thresholds on these scores.

No network is trained here. Every held-out score is by a network that was not trained on the image,
and calibrated on other images.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.guarantees import Guarantee, ScoredImages, guaranteed_threshold
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import expected_calibration_error
from rcnet_rt.evaluation.thresholds import (
    PRECISION,
    Requirement,
    best_f1_threshold,
    precision_threshold,
)
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring import calibration
from rcnet_rt.rescoring.constants import BELOW_FLOOR
from rcnet_rt.rescoring.correct_probability import RECORD, CorrectProbability
from rcnet_rt.rescoring.weights import DEFAULT_THRESHOLD, GUARANTEED, Weights
from rcnet_rt.training.correct_probability import fit_correct_probability, reported_poses
from rcnet_rt.training.splits import Split

__all__ = [
    "HeldOut",
    "calibrate",
    "calibrate_on",
    "calibration_errors",
    "hold_out",
    "hold_out_each",
    "recalibrated",
]

GUARANTEED_PRECISION, ASSURANCE = 0.95, 0.95  # what the threshold "guaranteed" promises

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Scores of the held-out images, each by a network that was not trained on it.

    Attributes:
        images: ids of the held-out images.
        entries: (H,) indices of their poses in the results.
        refined: (H,) scores in [0, 1] before calibration.
        baseline: (H,) values of the baseline that is best on these images: chosen in its favor, and
            the same for all folds, whose values would not be comparable otherwise.
        baseline_name: its name.
        calibrated: (H,) `refined`, each half of the images calibrated on the other half.
    """

    images: tuple[int, ...]
    entries: npt.NDArray[np.int64]
    refined: Floats
    baseline: Floats
    baseline_name: str
    calibrated: Floats


def hold_out(
    data: LabeledResults, parts: Sequence[tuple[Split, Weights]], seed: int = 0
) -> HeldOut:
    """Score the held-out images of each split with its weights, as `refine` does.

    Without recheck, which costs additional inference: the figures hold for the default usage.
    """
    return hold_out_each({"": data}, parts, seed=seed)[""]


def hold_out_each(
    estimators: Mapping[str, LabeledResults],
    parts: Sequence[tuple[Split, Weights]],
    left_out: Collection[str] = (),
    seed: int = 0,
) -> dict[str, HeldOut]:
    """Score the held-out images of several estimators; those without such images are left out.

    Args:
        estimators: results by name.
        parts: splits with the weights that were trained on them.
        left_out: names of estimators that no weights were trained on, nor are calibrated on.
        seed: of the halves that calibrate each other.
    """
    images = sorted(image for split, _ in parts for image in split.held_out)
    half = np.random.default_rng(seed).permutation(np.arange(len(images)) % 2)
    halves = dict(zip(images, half.tolist(), strict=True))
    scored = {
        name: _score(data, parts, halves)
        for name, data in estimators.items()
        if not data.poses.keys().isdisjoint(images)
    }
    floor = parts[0][1].floor
    trained = [scores for name, scores in scored.items() if name not in left_out]
    for half_number in (0, 1):
        other = [
            (each.data, each.entries[each.half != half_number], each.refined) for each in trained
        ]
        curve = _calibration(other, floor)
        for each in scored.values():
            here = each.entries[each.half == half_number]
            raw = each.data.scores[here]
            each.calibrated[here] = recalibrated(each.refined[here], raw, curve, floor)
    return {name: scores.held_out() for name, scores in scored.items()}


@dataclass(frozen=True, eq=False)
class _Scores:
    """Scores of an estimator's held-out images; arrays of all (E,) entries but for `half`."""

    data: LabeledResults
    images: tuple[int, ...]
    entries: Integers  # (H,)
    half: Integers  # (H,)
    refined: Floats
    baseline: Floats
    baseline_name: str
    calibrated: Floats

    def held_out(self) -> HeldOut:
        return HeldOut(
            images=self.images,
            entries=self.entries,
            refined=self.refined[self.entries],
            baseline=self.baseline[self.entries],
            baseline_name=self.baseline_name,
            calibrated=self.calibrated[self.entries],
        )


def _score(
    data: LabeledResults, parts: Sequence[tuple[Split, Weights]], halves: Mapping[int, int]
) -> _Scores:
    """Score the held-out images of an estimator; nothing is calibrated yet."""
    refined = data.scores * 0.0
    for split, weights in parts:
        items = [data.poses[image] for image in split.held_out if image in data.poses]
        if not items:
            continue
        once = [replace(item.poses, agreement=None) for item in items]
        reference = data.score_reference if weights.uses_reference else None
        after = Refiner(weights, backend="torch").batch(once, reference=reference)
        for item, poses in zip(items, after, strict=True):
            refined[item.entries] = poses.scores
    images = tuple(image for image in halves if image in data.poses)
    entries = [data.poses[image].entries for image in images]
    best = data.best_baseline(images)
    return _Scores(
        data=data,
        images=images,
        entries=np.concatenate(entries),
        half=np.repeat([halves[image] for image in images], [len(some) for some in entries]),
        refined=refined,
        baseline=data.baseline_values(best),
        baseline_name=best,
        calibrated=refined.copy(),
    )


def calibrate(data: LabeledResults, held_out: HeldOut, weights: Weights) -> Weights:
    """Return weights with calibration and thresholds fitted on the held-out scores."""
    return calibrate_on([(data, held_out)], weights)


def calibrate_on(scored: Sequence[tuple[LabeledResults, HeldOut]], weights: Weights) -> Weights:
    """Return weights calibrated on the held-out scores of several estimators together.

    The threshold "guaranteed" is for a network that scores as these do: each is trained on a part
    of the images, the network that is kept on all of them.
    """
    floor = weights.floor
    learned = _calibration(
        [(data, held_out.entries, _of_all(data, held_out)) for data, held_out in scored], floor
    )
    raw = np.concatenate([data.scores[held_out.entries] for data, held_out in scored])
    refined = np.concatenate([held_out.refined for _, held_out in scored])
    target = np.concatenate([data.match.target[held_out.entries] for data, held_out in scored])
    weight = np.concatenate([data.match.weight[held_out.entries] for data, held_out in scored])
    scores = recalibrated(refined, raw, learned, floor)
    counted = weight > 0
    oks = target[counted]
    people = sum(
        int((~data.ground_truth.persons[image].ignore).sum())
        for data, held_out in scored
        for image in held_out.images
    )
    best = best_f1_threshold(scores[counted], oks, people)
    precise = precision_threshold(scores[counted], oks, people)
    raw_best = best_f1_threshold(raw[counted], oks, people)
    guarantee = _guarantee(scored, scores, counted)
    probability = _correct_probability(scored, scores, floor)
    thresholds = {"auto": best, "p95": precise, GUARANTEED: guarantee.point}
    return replace(
        weights,
        calibration=learned,
        training={
            **weights.training,
            "guarantee": _guarantee_record(guarantee),
            **({} if probability is None else {RECORD: probability.record()}),
        },
        thresholds={n: point.threshold for n, point in thresholds.items() if point is not None},
        raw_threshold=DEFAULT_THRESHOLD if raw_best is None else raw_best.threshold,
    )


def _guarantee(
    scored: Sequence[tuple[LabeledResults, HeldOut]],
    scores: Floats,
    counted: npt.NDArray[np.bool_],
) -> Guarantee:
    """Return the guaranteed threshold; what all estimators found on an image is one draw.

    Args:
        scored: results and held-out scores.
        scores: (N,) calibrated scores of all held-out entries, one estimator after the other.
        counted: (N,) whether a pose counts.
    """
    index = {image: n for n, image in enumerate(sorted({i for _, h in scored for i in h.images}))}
    people = np.zeros(len(index), np.int64)
    for data, held_out in scored:
        for image in held_out.images:
            people[index[image]] += (~data.ground_truth.persons[image].ignore).sum()
    images = [index[data.entries[i]["image_id"]] for data, held in scored for i in held.entries]
    oks = np.concatenate([data.match.target[held_out.entries] for data, held_out in scored])
    drawn = ScoredImages(scores[counted], oks[counted], np.asarray(images)[counted], people)
    return guaranteed_threshold(drawn, Requirement(PRECISION, GUARANTEED_PRECISION), ASSURANCE)


def _correct_probability(
    scored: Sequence[tuple[LabeledResults, HeldOut]], scores: Floats, floor: float
) -> CorrectProbability | None:
    """Fit P(OKS >= 0.5 | score) on the calibrated scores (N,) of all held-out entries."""
    images = sorted({image for _, held_out in scored for image in held_out.images})
    ends = np.cumsum([len(held_out.entries) for _, held_out in scored])[:-1]
    return fit_correct_probability(
        [
            reported_poses(data, held_out.entries, some, images, floor)
            for (data, held_out), some in zip(scored, np.split(scores, ends), strict=True)
        ]
    )


def _guarantee_record(guarantee: Guarantee) -> dict[str, Any]:
    return {
        "precision": guarantee.requirement.value,
        "at_oks": guarantee.requirement.at_oks,
        "assurance": guarantee.assurance,
        "images": guarantee.images,
        "images_needed": guarantee.images_needed,
    }


def calibration_errors(data: LabeledResults, held_out: HeldOut, floor: float) -> dict[str, float]:
    """Return the expected calibration errors of the raw, refined and calibrated held-out scores.

    Of the poses that are re-scored; the many below the floor are easy and would hide them.
    """
    raw = data.scores[held_out.entries]
    counted = (data.match.weight[held_out.entries] > 0) & (raw >= floor)
    oks = data.match.target[held_out.entries][counted]
    scores = {"raw": raw, "refined": held_out.refined, "calibrated": held_out.calibrated}
    return {
        name: expected_calibration_error(values[counted], oks) for name, values in scores.items()
    }


def _of_all(data: LabeledResults, held_out: HeldOut) -> Floats:
    """Return the (E,) refined scores, 0 for entries of other images."""
    refined = np.zeros(len(data.entries))
    refined[held_out.entries] = held_out.refined
    return refined


def _calibration(
    scored: Iterable[tuple[LabeledResults, Integers, Floats]], floor: float
) -> calibration.Calibration:
    """Fit a calibration on the entries that count and are re-scored.

    Args:
        scored: results, (N,) indices of some of their entries, and all (E,) refined scores.
        floor: of the raw scores.
    """
    outputs, targets = [], []
    for data, entries, refined in scored:
        above = entries[(data.scores[entries] >= floor) & (data.match.weight[entries] > 0)]
        outputs.append(_output(refined[above], floor))
        targets.append(data.match.target[above])
    return calibration.fit(np.concatenate(outputs), np.concatenate(targets))


def recalibrated(
    refined: Floats, raw: Floats, learned: calibration.Calibration, floor: float
) -> Floats:
    """Return (N,) uncalibrated refined scores with a calibration applied."""
    share = BELOW_FLOOR if floor > 0 else 0.0
    return np.where(raw < floor, refined, share + (1 - share) * learned(_output(refined, floor)))


def _output(refined: Floats, floor: float) -> Floats:
    """Return the network's output from the refined score: the inverse of the floor's mapping."""
    share = BELOW_FLOOR if floor > 0 else 0.0
    return np.clip((refined - share) / (1 - share), 0, 1)
