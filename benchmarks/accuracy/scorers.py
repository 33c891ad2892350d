"""The study's methods. Each learns from the training data alone and scores poses without labels."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.accuracy.protocol import Scorer, part_of
from rcnet_rt import experiment, formulas
from rcnet_rt import features as feature_sets
from rcnet_rt.arrays import sigmoid
from rcnet_rt.experiment import Data, Split
from rcnet_rt.model import ScoreNet
from rcnet_rt.packing import pack
from rcnet_rt.ranking_set import PoseTable, RankingSet, ranking_set, table
from rcnet_rt.recipes import Recipe
from rcnet_rt.refiner import Refiner
from rcnet_rt.training import score, train
from rcnet_rt.weights_file import DEFAULT_FLOOR

__all__ = [
    "Settled",
    "boosting",
    "dekr",
    "formula",
    "formula_and_size",
    "library",
    "limited",
    "masked",
    "mean_score",
    "oracle",
    "settle",
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
DEKR_EPOCHS = 20


def formula(data: Data, name: str) -> Floats:
    """Return the values of a formula."""
    return data.formula_values(name)


def mean_score(data: Data) -> Floats:
    """Return the mean score of all joints, 0 where one was not found; 1 where none are given."""
    values = np.zeros(len(data.entries))
    for item in data.poses.values():
        p = item.poses
        values[item.entries] = pack(p.keypoints, p.scores, p.keypoint_scores).keypoint_scores.mean(
            1
        )
    return values


def formula_and_size(data: Data, name: str, power: float = 0.3) -> Floats:
    """Return a formula times a power of sqrt(box area), the box of the found joints if none."""
    values = data.formula_values(name)
    for item in data.poses.values():
        boxes = item.poses.boxes
        if boxes is None:
            points = item.poses.keypoints
            boxes = np.concatenate([np.nanmin(points, axis=1), np.nanmax(points, axis=1)], axis=1)
        sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).astype(np.float64)
        values[item.entries] *= np.sqrt(sides.prod(axis=1)) ** power
    return values


def oracle(data: Data) -> Floats:
    """Return the matched OKS: the ceiling of any re-scoring."""
    return data.match.target


def library(training: Data, test: Data, seed: int, recipe: Recipe) -> Floats:
    """Train by a recipe and refine, both as users do."""
    everything = Split("all", tuple(training.poses), ())
    weights = experiment.fit(training, replace(recipe, seed=seed), everything, name="study")
    items = list(test.poses.values())
    refined = Refiner(weights, backend="torch").batch([item.poses for item in items])
    scores = np.zeros(len(test.entries))
    for item, poses in zip(items, refined, strict=True):
        scores[item.entries] = poses.scores
    return scores


def limited(training: Data, test: Data, seed: int, scorer: Scorer, images: int) -> Floats:
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

    def examples(self, data: Data, most: int | None = None) -> tuple[PoseTable, RankingSet]:
        """Return an image's `most` best poses above the floor, all of them by default."""
        recipe = self.recipe
        poses = table(
            data.ground_truth,
            data.poses,
            floor=self.floor,
            most=len(data.entries) if most is None else most,
            unsure=recipe.unsure,
        )
        skeleton = data.ground_truth.skeleton
        return poses, ranking_set(
            poses, skeleton, recipe.features, recipe.base, self.scale, recipe.target
        )

    def place(self, data: Data, poses: PoseTable, refined: Floats) -> Floats:
        """Return scores of all entries: those below the floor stay below all, in their order."""
        scores: Floats = data.scores - data.scores.max() + refined.min() - 1
        scores[np.concatenate(poses.entries)] = refined
        return scores


def settle(training: Data, recipe: Recipe, seed: int) -> Settled:
    """Decide base formula, floor and scale on the training data, by the library's rules."""
    base = training.best_formula(training.poses) if recipe.base == "auto" else recipe.base
    floor = recipe.floor
    if floor is None:
        floor = DEFAULT_FLOOR if training.unit_scores else 0.0
    scale = 1.0
    if not formulas.get(base).bounded:
        poses = table(training.ground_truth, training.poses, floor=floor, most=recipe.most)
        values = training.formula_values(base)[np.concatenate(poses.entries)]
        scale = max(float(np.median(values)), 1e-4)
    return Settled(replace(recipe, base=base, seed=seed), floor, scale)


def masked(
    training: Data, test: Data, seed: int, recipe: Recipe, seen: Callable[[str], bool]
) -> Floats:
    """Train and score with the features that `seen` lets through; the others are unknown."""
    settled = settle(training, recipe, seed)
    skeleton = training.ground_truth.skeleton
    names = feature_sets.get(recipe.features).names(skeleton)
    hidden = [column for column, name in enumerate(names) if not seen(name)]
    network = train(settled.recipe, _hide(settled.examples(training, recipe.most)[1], hidden))
    poses, unseen = settled.examples(test)
    return settled.place(test, poses, score(network, _hide(unseen, hidden)))


def _hide(examples: RankingSet, columns: Collection[int]) -> RankingSet:
    features, mirrored = examples.features.copy(), examples.mirrored.copy()
    features[:, list(columns)] = mirrored[:, list(columns)] = np.nan
    return replace(examples, features=features, mirrored=mirrored)


def boosting(training: Data, test: Data, seed: int, recipe: Recipe) -> Floats:
    """Boost trees from the base logit, on the recipe's features, targets and weights."""
    import lightgbm

    settled = settle(training, recipe, seed)
    examples = settled.examples(training, recipe.most)[1]
    dataset = lightgbm.Dataset(
        np.concatenate([examples.features, examples.mirrored]),
        label=np.tile(examples.targets, 2),
        weight=np.tile(examples.weights, 2),
        init_score=np.tile(examples.base, 2),
    )
    booster = lightgbm.train(BOOSTING | {"seed": seed}, dataset, BOOSTING_ROUNDS)
    poses, unseen = settled.examples(test)
    correction = np.asarray(booster.predict(unseen.features, raw_score=True))
    return settled.place(test, poses, sigmoid(unseen.base + correction))


def dekr(training: Data, test: Data, seed: int, recipe: Recipe, matched: bool = False) -> Floats:
    """Learn as DEKR does, ScoreNet by mean squared error, and multiply its output by the score.

    DEKR's Adam, learning rate 0.001 and 20 epochs, but smaller steps: one of its batches holds 1024
    poses, half of what there is here. Its target is the largest OKS with any person who counts,
    which gives duplicates the OKS of the original; `matched` uses the one-to-one match instead.
    """
    settled = settle(training, replace(recipe, features="dekr", base="score", unsure=1.0), seed)
    poses, examples = settled.examples(training, recipe.most)
    if not matched:
        examples = replace(examples, targets=_largest_oks(training, poses))
    network = _squared_error(examples, recipe, seed)
    poses, unseen = settled.examples(test)
    raw = test.scores[np.concatenate(poses.entries)]
    return settled.place(test, poses, score(network, unseen) * raw)


def _largest_oks(data: Data, poses: PoseTable) -> npt.NDArray[np.float32]:
    largest = []
    for image, packed in zip(poses.image_ids.tolist(), poses.pictures, strict=True):
        oks = data.ground_truth.oks(image, packed.keypoints)
        counted = ~data.ground_truth.persons[image].ignore
        largest.append(oks[:, counted].max(axis=1, initial=0.0))
    return np.concatenate(largest).astype(np.float32)


def _squared_error(examples: RankingSet, recipe: Recipe, seed: int) -> ScoreNet:
    """Train DEKR's ScoreNet; its features are standardised, which DEKR leaves out."""
    torch.manual_seed(seed)
    network = ScoreNet.for_skeleton("coco17")
    features, targets = torch.tensor(examples.features), torch.tensor(examples.targets)
    weights = torch.tensor(examples.weights)
    network.standardise.mean.copy_(features.mean(0))
    network.standardise.deviation.copy_(features.std(0).clamp_min(1e-4))
    base, picture = torch.tensor(examples.base), torch.tensor(examples.image)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for epoch in range(DEKR_EPOCHS):
        order = np.random.default_rng((seed, epoch)).permutation(len(examples))
        for start in range(0, len(order), recipe.poses_a_step):
            rows = torch.from_numpy(order[start : start + recipe.poses_a_step])
            error = (network(features[rows], base[rows], picture[rows]) - targets[rows]) ** 2
            loss = (error * weights[rows]).sum() / weights[rows].sum().clamp_min(1e-6)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()
