"""What is learned from held-out scores: evidence, calibration, thresholds; and what they are worth.

Nothing here trains a network. Every figure is of scores whose network did not see the image, and
whose evidence and calibration were fitted on other images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rcnet_rt import calibration, evidence
from rcnet_rt.evidence import Evidence
from rcnet_rt.labelled import Data, Split
from rcnet_rt.operating_points import best_f1_threshold, precision_threshold
from rcnet_rt.refiner import Refiner
from rcnet_rt.step import BELOW_FLOOR
from rcnet_rt.weights_file import DEFAULT_THRESHOLD, Weights

__all__ = [
    "HeldOut",
    "calibrate",
    "hold_out",
    "learn_evidence",
    "recalibrated",
    "with_evidence",
]

Floats = npt.NDArray[np.float64]

PAID = "agreement"  # costs inferences: the figures of weights are without it


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Scores of every held-out image, each by a network that did not see it.

    Attributes:
        images: ids of the images that were held out.
        entries: (H,) places of their poses in the results.
        network: (H,) scores as the networks gave them.
        refined: (H,) the same with the evidence of what comes with the inference, each half of the
            images by what the other half taught; before calibration.
        formula: (H,) values of the formula that is best on the training images of each split.
        formula_name: which that is; the names, where splits differ.
        calibrated: (H,) `refined`, each half of the images calibrated on the other half.
    """

    images: tuple[int, ...]
    entries: npt.NDArray[np.int64]
    network: Floats
    refined: Floats
    formula: Floats
    formula_name: str
    calibrated: Floats


def hold_out(data: Data, parts: Sequence[tuple[Split, Weights]], seed: int = 0) -> HeldOut:
    """Score the held-out images of each split with its weights, the way that `refine` does."""
    network, formula = data.scores * 0.0, data.scores * 0.0
    names: dict[str, None] = {}
    for split, weights in parts:
        items = [data.poses[image] for image in split.held_out]
        after = Refiner(weights, backend="torch").batch([item.poses for item in items])
        best = data.best_formula(split.training)
        values, names[best] = data.formula_values(best), None
        for item, poses in zip(items, after, strict=True):
            network[item.entries] = poses.scores
            formula[item.entries] = values[item.entries]
    images = tuple(sorted(image for split, _ in parts for image in split.held_out))
    entries = np.concatenate([data.poses[image].entries for image in images])
    half = np.random.default_rng(seed).permutation(np.arange(len(images)) % 2)
    side = np.concatenate(
        [np.full(len(data.poses[i].entries), h) for i, h in zip(images, half, strict=True)]
    )
    floor = parts[0][1].floor
    halves = [(entries[side == part], entries[side != part]) for part in (0, 1)]
    refined = network.copy()
    for here, there in halves:
        learned = [e for e in learn_evidence(data, there, network, floor) if e.signal != PAID]
        refined[here] = with_evidence(data, here, network, learned, floor)
    calibrated = refined.copy()
    for here, there in halves:
        curve = _calibration(data, there, refined, floor)
        calibrated[here] = recalibrated(refined[here], data.scores[here], curve, floor)
    return HeldOut(
        images=images,
        entries=entries,
        network=network[entries],
        refined=refined[entries],
        formula=formula[entries],
        formula_name=" / ".join(names),
        calibrated=calibrated[entries],
    )


def calibrate(data: Data, held_out: HeldOut, weights: Weights) -> Weights:
    """Give weights the evidence, calibration and thresholds that the held-out scores ask for."""
    network, refined = np.zeros(len(data.entries)), np.zeros(len(data.entries))
    network[held_out.entries] = held_out.network
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
        evidence=tuple(learn_evidence(data, held_out.entries, network, weights.floor)),
        calibration=learned,
        thresholds={n: point.threshold for n, point in thresholds.items() if point is not None},
        raw_threshold=DEFAULT_THRESHOLD if raw_best is None else raw_best.threshold,
    )


def learn_evidence(
    data: Data, entries: npt.NDArray[np.int64], network: Floats, floor: float
) -> list[Evidence]:
    """Learn what each signal adds to the network and to the signals before it.

    Args:
        data: with the signals.
        entries: (H,) places of the poses to learn from.
        network: (E,) scores as the networks gave them, each of an image that they did not see.
        floor: poses with a raw score below it are not re-scored.
    """
    above = entries[data.scores[entries] >= floor]
    scores, learned = _output(network[above], floor), []
    for signal in evidence.SIGNALS:
        known = data.log_oks(signal)[above]
        found = evidence.fit(
            signal, scores, known, data.match.target[above], data.match.weight[above]
        )
        if found is not None:
            learned.append(found)
            scores = found.moved(scores, known)
    return learned


def with_evidence(
    data: Data,
    entries: npt.NDArray[np.int64],
    network: Floats,
    learned: Sequence[Evidence],
    floor: float,
) -> Floats:
    """Return (H,) scores of some poses with the evidence of their signals."""
    scores = _output(network[entries], floor)
    for item in learned:
        scores = item.moved(scores, data.log_oks(item.signal)[entries])
    share = BELOW_FLOOR if floor > 0 else 0.0
    return np.where(data.scores[entries] < floor, network[entries], share + (1 - share) * scores)


def _calibration(
    data: Data, entries: npt.NDArray[np.int64], refined: Floats, floor: float
) -> calibration.Calibration:
    above = entries[(data.scores[entries] >= floor) & (data.match.weight[entries] > 0)]
    return calibration.fit(_output(refined[above], floor), data.match.target[above])


def recalibrated(
    refined: Floats, raw: Floats, learned: calibration.Calibration, floor: float
) -> Floats:
    """Return scores that came without calibration as they are with it."""
    share = BELOW_FLOOR if floor > 0 else 0.0
    return np.where(raw < floor, refined, share + (1 - share) * learned(_output(refined, floor)))


def _output(refined: Floats, floor: float) -> Floats:
    """Return what the network said, from what the Refiner made of it."""
    share = BELOW_FLOOR if floor > 0 else 0.0
    return np.clip((refined - share) / (1 - share), 0, 1)
