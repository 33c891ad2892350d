"""The study's methods. Each learns from training data alone and scores poses without labels."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.studies.accuracy.protocol import Scorer, part_of
from rcnet_rt.datasets.results import read_results
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.poses.arrays import sigmoid
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring import features as feature_sets
from rcnet_rt.rescoring.batch import poses_to_batch
from rcnet_rt.rescoring.weights import DEFAULT_FLOOR
from rcnet_rt.training import fit
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.dataset import PoseTable, RankingSet, ranking_set, table
from rcnet_rt.training.loop import score, train
from rcnet_rt.training.splits import Split

__all__ = [
    "Settled",
    "boosting",
    "baseline",
    "baseline_and_size",
    "ours",
    "limited",
    "masked",
    "mean_score",
    "oracle",
    "settle",
    "with_augmentations",
]

Floats = npt.NDArray[np.float64]

BOOSTING = {
    "objective": "cross_entropy",
    "num_leaves": 8,
    "learning_rate": 0.05,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "num_threads": 1,
    "deterministic": True,
    "verbosity": -1,
}
BOOSTING_ROUNDS = 150


def baseline(data: LabeledResults, name: str) -> Floats:
    """Return the values of a baseline."""
    return data.baseline_values(name)


def mean_score(data: LabeledResults) -> Floats:
    """Return the mean score of all joints, 0 where one was not found; 1 where none are given."""
    values = np.zeros(len(data.entries))
    for item in data.poses.values():
        values[item.entries] = poses_to_batch(item.poses).keypoint_scores.mean(axis=1)
    return values


def baseline_and_size(data: LabeledResults, name: str, power: float = 0.3) -> Floats:
    """Return a baseline × sqrt(box area) ** power; without boxes, that of the found joints."""
    values = data.baseline_values(name)
    for item in data.poses.values():
        boxes = item.poses.boxes
        if boxes is None:
            points = item.poses.keypoints
            boxes = np.concatenate([np.nanmin(points, axis=1), np.nanmax(points, axis=1)], axis=1)
        sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).astype(np.float64)
        values[item.entries] *= np.sqrt(sides.prod(axis=1)) ** power
    return values


def oracle(data: LabeledResults) -> Floats:
    """Return the matched OKS: the ceiling of any re-scoring."""
    return data.match.target


def ours(training: LabeledResults, test: LabeledResults, seed: int, recipe: Recipe) -> Floats:
    """Train by a recipe and refine, both as users do."""
    everything = Split("all", tuple(training.poses), ())
    weights = fit.fit(training, replace(recipe, seed=seed), everything, name="study")
    items = list(test.poses.values())
    refined = Refiner(weights, backend="torch").batch([item.poses for item in items])
    scores = np.zeros(len(test.entries))
    for item, poses in zip(items, refined, strict=True):
        scores[item.entries] = poses.scores
    return scores


def with_augmentations(
    training: LabeledResults,
    test: LabeledResults,
    seed: int,
    recipe: Recipe,
    files: tuple[Path, ...],
) -> Floats:
    """Train on the estimator's results on augmented training images too."""
    entries = [entry for file in files for entry in _results(file)]
    allowed = [entry for entry in entries if entry["image_id"] in training.poses]
    return ours(replace(training, augmented_entries=allowed), test, seed, recipe)


_results = lru_cache(maxsize=4)(read_results)


def limited(
    training: LabeledResults, test: LabeledResults, seed: int, scorer: Scorer, images: int
) -> Floats:
    """Score by a scorer that learns from a random subset of the training images."""
    ids = sorted(training.poses)
    chosen = np.random.default_rng(seed).permutation(ids)[:images].tolist()
    return scorer(part_of(training, chosen)[0], test, seed)


@dataclass(frozen=True)
class Settled:
    """A recipe whose open choices are decided, for methods that need the ranking set itself."""

    recipe: Recipe
    floor: float
    scale: float

    def examples(
        self, data: LabeledResults, max_poses: int | None = None
    ) -> tuple[PoseTable, RankingSet]:
        """Return an image's `max_poses` best poses above the floor, all of them by default."""
        recipe = self.recipe
        poses = table(
            data.ground_truth,
            data.poses,
            floor=self.floor,
            max_poses=len(data.entries) if max_poses is None else max_poses,
            unmatched_weight=recipe.unmatched_weight,
        )
        skeleton = data.ground_truth.skeleton
        return poses, ranking_set(
            poses, skeleton, recipe.features, recipe.baseline, self.scale, recipe.target
        )

    def place(self, data: LabeledResults, poses: PoseTable, refined: Floats) -> Floats:
        """Return scores of all entries: those below the floor stay below all, in their order."""
        scores: Floats = data.scores - data.scores.max() + refined.min() - 1
        scores[np.concatenate(poses.entries)] = refined
        return scores


def settle(training: LabeledResults, recipe: Recipe, seed: int) -> Settled:
    """Decide baseline, floor and scale on the training data, by the library's rules."""
    baseline = (
        training.best_baseline(training.poses) if recipe.baseline == "auto" else recipe.baseline
    )
    floor = recipe.floor
    if floor is None:
        floor = DEFAULT_FLOOR if training.unit_scores else 0.0
    scale = 1.0
    if not baselines.get(baseline).bounded:
        poses = table(
            training.ground_truth, training.poses, floor=floor, max_poses=recipe.max_poses
        )
        values = training.baseline_values(baseline)[np.concatenate(poses.entries)]
        scale = max(float(np.median(values)), 1e-4)
    return Settled(replace(recipe, baseline=baseline, seed=seed), floor, scale)


def masked(
    training: LabeledResults,
    test: LabeledResults,
    seed: int,
    recipe: Recipe,
    seen: Callable[[str], bool],
) -> Floats:
    """Train and score with the features for which `seen` holds; the others are NaN."""
    settled = settle(training, recipe, seed)
    skeleton = training.ground_truth.skeleton
    names = feature_sets.get(recipe.features).names(skeleton)
    hidden = [column for column, name in enumerate(names) if not seen(name)]
    network = train(settled.recipe, _hide(settled.examples(training, recipe.max_poses)[1], hidden))
    poses, unseen = settled.examples(test)
    return settled.place(test, poses, score(network, _hide(unseen, hidden)))


def _hide(examples: RankingSet, columns: Collection[int]) -> RankingSet:
    features, mirrored = examples.features.copy(), examples.mirrored.copy()
    features[:, list(columns)] = mirrored[:, list(columns)] = np.nan
    return replace(examples, features=features, mirrored=mirrored)


def boosting(training: LabeledResults, test: LabeledResults, seed: int, recipe: Recipe) -> Floats:
    """Boost trees from the baseline's logit, on the recipe's features, targets and weights."""
    import lightgbm

    settled = settle(training, recipe, seed)
    examples = settled.examples(training, recipe.max_poses)[1]
    dataset = lightgbm.Dataset(
        np.concatenate([examples.features, examples.mirrored]),
        label=np.tile(examples.targets, 2),
        weight=np.tile(examples.weights, 2),
        init_score=np.tile(examples.baseline, 2),
    )
    booster = lightgbm.train(BOOSTING | {"seed": seed}, dataset, BOOSTING_ROUNDS)
    poses, unseen = settled.examples(test)
    correction = np.asarray(booster.predict(unseen.features, raw_score=True))
    return settled.place(test, poses, sigmoid(unseen.baseline + correction))
