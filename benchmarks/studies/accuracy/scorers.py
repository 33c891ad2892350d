"""The study's methods. Each learns from training data alone and scores poses without labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks.studies.accuracy.protocol import Scorer, part_of
from benchmarks.studies.accuracy.settled import settle
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.poses.arrays import logit, sigmoid
from rcnet_rt.rescoring import calibration
from rcnet_rt.rescoring.batch import poses_to_batch
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.loop import score, train

__all__ = [
    "baseline",
    "boosting",
    "ensemble",
    "isotonic",
    "isotonic_at_once",
    "limited",
    "mean_score",
    "oracle",
    "ours",
    "temperature",
    "temperature_at_once",
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
TEMPERATURES = np.geomspace(0.1, 10, 201)


def baseline(data: LabeledResults, name: str) -> Floats:
    """Return the values of a baseline."""
    return data.baseline_values(name)


def mean_score(data: LabeledResults) -> Floats:
    """Return the mean score of all joints, 0 where one was not found; 1 where none are given."""
    values = np.zeros(len(data.entries))
    for item in data.poses.values():
        values[item.entries] = poses_to_batch(item.poses).keypoint_scores.mean(axis=1)
    return values


def oracle(data: LabeledResults) -> Floats:
    """Return the matched OKS: the ceiling of any re-scoring."""
    return data.match.target


def ours(training: LabeledResults, test: LabeledResults, seed: int, recipe: Recipe) -> Floats:
    """Train by a recipe and score: the order that `train` and `refine` give."""
    return ensemble(training, test, seed, recipe, members=1)


def ensemble(
    training: LabeledResults, test: LabeledResults, seed: int, recipe: Recipe, members: int
) -> Floats:
    """Return the mean score of networks that differ in their seed alone."""
    settled = settle(training, recipe, seed)
    examples = settled.examples(training, recipe.max_poses)[1]
    poses, unseen = settled.examples(test)
    scores = [
        score(train(replace(settled.recipe, seed=seed + 100 * member), examples), unseen)
        for member in range(members)
    ]
    return settled.place(test, poses, np.mean(scores, axis=0))


def limited(
    training: LabeledResults, test: LabeledResults, seed: int, scorer: Scorer, images: int
) -> Floats:
    """Score by a scorer that learns from a random subset of the training images."""
    ids = sorted(training.poses)
    chosen = np.random.default_rng(seed).permutation(ids)[:images].tolist()
    return scorer(part_of(training, chosen)[0], test, seed)


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


def temperature(training: LabeledResults, test: LabeledResults, seed: int) -> Floats:
    """Divide the logit of the score by the temperature of the lowest cross-entropy."""
    scale = _scale(training)
    value, targets = _counted(training, scale)
    rows = np.multiply.outer(1 / TEMPERATURES, logit(value))
    error = (np.logaddexp(0, rows) - targets * rows).mean(axis=1)
    fitted = TEMPERATURES[error.argmin()]
    return np.asarray(sigmoid(logit(_unit(test.scores, scale)) / fitted), dtype=np.float64)


def isotonic(training: LabeledResults, test: LabeledResults, seed: int) -> Floats:
    """Map the score by the library's calibration: isotonic regression that rises everywhere."""
    scale = _scale(training)
    fitted = calibration.fit(*_counted(training, scale))
    return np.asarray(fitted(_unit(test.scores, scale)), dtype=np.float64)


def temperature_at_once(data: LabeledResults) -> Floats:
    """Return the scores under one temperature, fitted on all images."""
    return temperature(data, data, 0)


def isotonic_at_once(data: LabeledResults) -> Floats:
    """Return the scores under one isotonic map, fitted on all images."""
    return isotonic(data, data, 0)


def _scale(data: LabeledResults) -> float:
    """Return the raw score that becomes 0.5; 0 where scores are in [0, 1] already."""
    return 0.0 if data.unit_scores else float(np.median(data.scores))


def _unit(scores: Floats, scale: float) -> Floats:
    return scores / (scores + scale) if scale else scores


def _counted(data: LabeledResults, scale: float) -> tuple[Floats, Floats]:
    """Return scores in [0, 1] and targets of the entries that count."""
    counted = data.match.weight > 0
    return _unit(data.scores[counted], scale), data.match.target[counted]
