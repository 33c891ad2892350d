"""From predictions to weights: split by image, train, score what was held out, calibrate, judge.

Every figure that a weights file carries comes from images that its network did not see: with k
folds each image is held out once, and the network that is kept is trained on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rcnet_rt import calibration, formulas
from rcnet_rt.copies import CopyPoses
from rcnet_rt.labelled import Data, Split
from rcnet_rt.metrics import TRUE_POSITIVE, ranking_accuracy
from rcnet_rt.operating_points import best_f1_threshold, precision_threshold
from rcnet_rt.packing import concatenate
from rcnet_rt.ranking_set import PoseTable, RankingSet, ranking_set, table
from rcnet_rt.recipes import Recipe
from rcnet_rt.refiner import Refiner
from rcnet_rt.score_convention import ScoreConvention
from rcnet_rt.step import BELOW_FLOOR
from rcnet_rt.training import Epoch, score, train
from rcnet_rt.weights_file import DEFAULT_FLOOR, DEFAULT_THRESHOLD, Weights

__all__ = ["HeldOut", "Progress", "calibrate", "fit", "hold_out", "recalibrated"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Progress:
    """Where a training run is.

    Attributes:
        split: name of the split.
        epoch: from 1.
        loss: mean over the epoch's steps.
        ap: on the split's held-out images; NaN where it has none.
        ranking_accuracy: of their poses matched at OKS 0.5, likewise.
    """

    split: str
    epoch: int
    loss: float
    ap: float
    ranking_accuracy: float


def fit(
    data: Data,
    recipe: Recipe,
    split: Split,
    *,
    name: str,
    device: str = "cpu",
    checkpoint: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Weights:
    """Train on the split's training images; return weights that are not calibrated yet."""
    recipe = _settled(data, recipe, split)
    assert recipe.floor is not None
    learned = _table(data, recipe, split.training, data.copies)
    scale = _scale(recipe.base, learned)
    examples = _ranking_set(data, recipe, learned, scale)
    watch = None if progress is None else _Watch(data, recipe, split, scale, progress)
    network = train(recipe, examples, device=device, checkpoint=checkpoint, on_epoch=watch)
    return Weights(
        name=name,
        base=recipe.base,
        base_scale=scale,
        skeleton=data.ground_truth.skeleton.name,
        features=recipe.features,
        network=network.config,
        tensors={key: t.cpu().numpy().copy() for key, t in network.state_dict().items()},
        floor=recipe.floor,
        family=name,
        score_convention=str(ScoreConvention.of([item.poses for item in data.poses.values()])),
    )


def _settled(data: Data, recipe: Recipe, split: Split) -> Recipe:
    """Decide what the recipe leaves open, from the training images alone."""
    base = data.best_formula(split.training) if recipe.base == "auto" else recipe.base
    floor = recipe.floor
    if floor is None:
        floor = DEFAULT_FLOOR if data.unit_scores else 0.0
    return replace(recipe, base=base, floor=floor)


def _table(
    data: Data,
    recipe: Recipe,
    images: Collection[int],
    copies: Mapping[int, Sequence[CopyPoses]] | None = None,
) -> PoseTable:
    assert recipe.floor is not None
    return table(
        data.ground_truth,
        {image: data.poses[image] for image in images},
        copies,
        floor=recipe.floor,
        most=recipe.most,
        unsure=recipe.unsure,
    )


def _ranking_set(data: Data, recipe: Recipe, poses: PoseTable, scale: float) -> RankingSet:
    skeleton = data.ground_truth.skeleton
    return ranking_set(poses, skeleton, recipe.features, recipe.base, scale, recipe.target)


def _scale(base: str, poses: PoseTable) -> float:
    """Return the value of an unbounded formula that becomes 0.5: its median."""
    formula = formulas.get(base)
    if formula.bounded:
        return 1.0
    median = float(np.median(formula.compute(concatenate(poses.pictures))))
    return median if median > 0 else 1.0


class _Watch:
    """Tells AP and ranking accuracy on the held-out images after every epoch."""

    def __init__(
        self,
        data: Data,
        recipe: Recipe,
        split: Split,
        scale: float,
        progress: Callable[[Progress], None],
    ) -> None:
        self._data, self._split, self._progress = data, split, progress
        if split.held_out:
            poses = _table(data, recipe, split.held_out)
            self._rows = np.concatenate(poses.entries)
            self._examples = _ranking_set(data, recipe, poses, scale)

    def __call__(self, epoch: Epoch) -> None:
        ap = accuracy = float("nan")
        if self._split.held_out:
            refined = score(epoch.network, self._examples)
            scores = self._data.scores - self._data.scores.max()  # below all that is re-scored
            scores[self._rows] = refined
            ap = self._data.average_precision.ap(scores, self._split.held_out)
            oks = self._data.match.target[self._rows]
            right = oks >= TRUE_POSITIVE
            accuracy = ranking_accuracy(refined[right], oks[right])
        self._progress(Progress(self._split.name, epoch.number, epoch.loss, ap, accuracy))


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Scores of every held-out image, each by a network that did not see it.

    Attributes:
        images: ids of the images that were held out.
        entries: (H,) places of their poses in the results.
        refined: (H,) scores as the networks gave them, before calibration.
        formula: (H,) values of the formula that is best on the training images of each split.
        formula_name: which that is; the names, where splits differ.
        calibrated: (H,) each half of the images calibrated on the other half.
    """

    images: tuple[int, ...]
    entries: npt.NDArray[np.int64]
    refined: Floats
    formula: Floats
    formula_name: str
    calibrated: Floats


def hold_out(data: Data, parts: Sequence[tuple[Split, Weights]], seed: int = 0) -> HeldOut:
    """Score the held-out images of each split with its weights, the way that `refine` does."""
    refined, formula = data.scores * 0.0, data.scores * 0.0
    names: dict[str, None] = {}
    for split, weights in parts:
        items = [data.poses[image] for image in split.held_out]
        after = Refiner(weights, backend="torch").batch([item.poses for item in items])
        best = data.best_formula(split.training)
        values, names[best] = data.formula_values(best), None
        for item, poses in zip(items, after, strict=True):
            refined[item.entries] = poses.scores
            formula[item.entries] = values[item.entries]
    images = tuple(sorted(image for split, _ in parts for image in split.held_out))
    entries = np.concatenate([data.poses[image].entries for image in images])
    half = np.random.default_rng(seed).permutation(np.arange(len(images)) % 2)
    side = np.concatenate(
        [np.full(len(data.poses[i].entries), h) for i, h in zip(images, half, strict=True)]
    )
    floor = parts[0][1].floor
    calibrated = refined[entries].copy()
    for part in (0, 1):
        learned = _calibration(data, entries[side != part], refined, floor)
        calibrated[side == part] = recalibrated(
            refined[entries[side == part]], data.scores[entries[side == part]], learned, floor
        )
    return HeldOut(
        images, entries, refined[entries], formula[entries], " / ".join(names), calibrated
    )


def calibrate(data: Data, held_out: HeldOut, weights: Weights) -> Weights:
    """Give weights the calibration and the thresholds that the held-out scores ask for."""
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
