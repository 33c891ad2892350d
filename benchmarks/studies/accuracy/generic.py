"""Scorers for an estimator that was left out of training: scores enter by their rank in their file.

To try another recipe, write a function of (training data, one a known estimator; blind test data;
seed) that returns the test's scores, and give it a row in `parts.generic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from benchmarks.studies.accuracy.scorers import Settled
from rcnet_rt.datasets.results import with_scores
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.rescoring.weights import DEFAULT_FLOOR
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.dataset import RankingSet, join
from rcnet_rt.training.loop import score, train

__all__ = ["quantiles", "relative", "universal_baseline"]

Floats = npt.NDArray[np.float64]


def universal_baseline(data: LabeledResults) -> Floats:
    """Return score × mean joint score above 0.2 × (joints found - 1).

    For Lightweight OpenPose, which has no joint scores, and for YOLO, which finds all joints, it
    ranks as their own baselines do.
    """
    confidence = data.baseline_values("score_times_confidence")
    joints = data.baseline_values("score_times_joints")
    return confidence * joints / np.where(data.scores > 0, data.scores, 1.0)


def quantiles(data: LabeledResults, values: Floats) -> Floats:
    """Return (E,) scores in (0, 1): the share of the file's poses with a lower or equal value.

    Poses below the floor of scores in [0, 1] get 0 and are not counted: a file may hold any number
    of them.
    """
    floor = DEFAULT_FLOOR if data.unit_scores else -np.inf
    above = np.sort(values[data.scores >= floor])
    share = np.searchsorted(above, values, side="right") / (len(above) + 1)
    return np.where(data.scores >= floor, DEFAULT_FLOOR + (1 - DEFAULT_FLOOR) * share, 0.0)


def relative(
    training: Sequence[LabeledResults],
    test: LabeledResults,
    seed: int,
    recipe: Recipe,
    universal: bool = False,
) -> Floats:
    """Train by a recipe on scores replaced by their quantiles, those of the universal baseline."""
    settled = Settled(replace(recipe, baseline="score", seed=seed), DEFAULT_FLOOR, 1.0)
    learn = partial(settled.examples, max_poses=recipe.max_poses)
    known = join([learn(_ranked(data, universal))[1] for data in training])
    ranked = _ranked(test, universal)
    poses, unseen = settled.examples(ranked)
    unseen = _hide_constant(known, unseen)
    return settled.place(ranked, poses, score(train(settled.recipe, known), unseen))


def _ranked(data: LabeledResults, universal: bool) -> LabeledResults:
    values = universal_baseline(data) if universal else data.scores
    return LabeledResults(data.ground_truth, with_scores(data.entries, quantiles(data, values)))


def _hide_constant(known: RankingSet, unseen: RankingSet) -> RankingSet:
    """Set features that were constant in training to NaN: their weights were never learned."""
    constant = np.ptp(known.features, axis=0) < 1e-4
    return replace(unseen, features=np.where(constant, np.float32(np.nan), unseen.features))
