"""Score held-out images, and fit calibration and thresholds on these scores.

No network is trained here. Every held-out score is by a network that was not trained on the image,
and calibrated on other images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.thresholds import best_f1_threshold, precision_threshold
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring import calibration
from rcnet_rt.rescoring.constants import BELOW_FLOOR
from rcnet_rt.rescoring.weights import DEFAULT_THRESHOLD, Weights
from rcnet_rt.training.splits import Split

__all__ = [
    "HeldOut",
    "calibrate",
    "hold_out",
    "recalibrated",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Scores of the held-out images, each by a network that was not trained on it.

    Attributes:
        images: ids of the held-out images.
        entries: (H,) indices of their poses in the results.
        refined: (H,) scores in [0, 1] before calibration.
        baseline: (H,) values of the best baseline on the training images of each split.
        baseline_name: its name; all names, where splits differ.
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
    refined, baseline = data.scores * 0.0, data.scores * 0.0
    names: dict[str, None] = {}
    for split, weights in parts:
        items = [data.poses[image] for image in split.held_out]
        once = [replace(item.poses, agreement=None) for item in items]
        after = Refiner(weights, backend="torch").batch(once)
        best = data.best_baseline(split.training)
        values, names[best] = data.baseline_values(best), None
        for item, poses in zip(items, after, strict=True):
            refined[item.entries] = poses.scores
            baseline[item.entries] = values[item.entries]
    images = tuple(sorted(image for split, _ in parts for image in split.held_out))
    entries = np.concatenate([data.poses[image].entries for image in images])
    half = np.random.default_rng(seed).permutation(np.arange(len(images)) % 2)
    side = np.concatenate(
        [np.full(len(data.poses[i].entries), h) for i, h in zip(images, half, strict=True)]
    )
    floor = parts[0][1].floor
    halves = [(entries[side == part], entries[side != part]) for part in (0, 1)]
    calibrated = refined.copy()
    for here, there in halves:
        curve = _calibration(data, there, refined, floor)
        calibrated[here] = recalibrated(refined[here], data.scores[here], curve, floor)
    return HeldOut(
        images=images,
        entries=entries,
        refined=refined[entries],
        baseline=baseline[entries],
        baseline_name=" / ".join(names),
        calibrated=calibrated[entries],
    )


def calibrate(data: LabeledResults, held_out: HeldOut, weights: Weights) -> Weights:
    """Return weights with calibration and thresholds fitted on the held-out scores."""
    refined = np.zeros(len(data.entries))
    refined[held_out.entries] = held_out.refined
    learned = _calibration(data, held_out.entries, refined, weights.floor)
    raw = data.scores[held_out.entries]
    scores = recalibrated(held_out.refined, raw, learned, weights.floor)
    counted = data.match.weight[held_out.entries] > 0
    oks = data.match.target[held_out.entries][counted]
    people = sum(int((~data.ground_truth.persons[i].ignore).sum()) for i in held_out.images)
    best = best_f1_threshold(scores[counted], oks, people)
    precise = precision_threshold(scores[counted], oks, people)
    raw_best = best_f1_threshold(raw[counted], oks, people)
    thresholds = {"auto": best, "p95": precise}
    return replace(
        weights,
        calibration=learned,
        thresholds={n: point.threshold for n, point in thresholds.items() if point is not None},
        raw_threshold=DEFAULT_THRESHOLD if raw_best is None else raw_best.threshold,
    )


def _calibration(
    data: LabeledResults, entries: npt.NDArray[np.int64], refined: Floats, floor: float
) -> calibration.Calibration:
    """Fit a calibration on the poses of these (N,) entries that count and are re-scored."""
    above = entries[(data.scores[entries] >= floor) & (data.match.weight[entries] > 0)]
    return calibration.fit(_output(refined[above], floor), data.match.target[above])


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
