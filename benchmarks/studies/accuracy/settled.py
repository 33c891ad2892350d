"""Recipes whose open choices are decided, for methods that need the ranking set itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring.constants import BELOW_FLOOR
from rcnet_rt.rescoring.weights import DEFAULT_FLOOR
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.dataset import PoseTable, RankingSet, ranking_set, table
from rcnet_rt.training.examples import embedding_size

__all__ = ["Settled", "floor_of", "settle"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Settled:
    """A recipe with its baseline decided, its floor, and the scale of an unbounded baseline."""

    recipe: Recipe
    floor: float
    scale: float

    def examples(
        self, data: LabeledResults, max_poses: int | None = None
    ) -> tuple[PoseTable, RankingSet]:
        """Return an image's `max_poses` best poses above the floor, all of them by default."""
        recipe = self.recipe
        # What the ranking set does not depend on is left out, so that methods share it.
        key = Recipe(
            features=recipe.features,
            without=recipe.without,
            baseline=recipe.baseline,
            target=recipe.target,
            unmatched_weight=recipe.unmatched_weight,
        )
        count = len(data.entries) if max_poses is None else max_poses
        return _examples(data, key, self.floor, self.scale, count)

    def place(self, data: LabeledResults, poses: PoseTable, refined: Floats) -> Floats:
        """Return scores of all entries: those below the floor stay below all, as `refine` does."""
        share, scores = 0.0, np.zeros(len(data.entries))
        if self.floor > 0:
            share = BELOW_FLOOR
            scores = np.clip(data.scores, 0, None) * (share / self.floor)
        scores[np.concatenate(poses.entries)] = share + (1 - share) * refined
        return scores


@lru_cache(maxsize=24)
def _examples(
    data: LabeledResults, recipe: Recipe, floor: float, scale: float, max_poses: int
) -> tuple[PoseTable, RankingSet]:
    poses = table(
        data.ground_truth,
        data.poses,
        floor=floor,
        max_poses=max_poses,
        unmatched_weight=recipe.unmatched_weight,
    )
    return poses, ranking_set(
        poses,
        data.ground_truth.skeleton,
        recipe.features,
        recipe.baseline,
        scale,
        recipe.target,
        embedding_size=embedding_size([data], recipe),
        without=recipe.without,
    )


def floor_of(data: LabeledResults) -> float:
    """Return the raw score below which poses are not re-scored, by the library's rule."""
    return DEFAULT_FLOOR if data.unit_scores else 0.0


def settle(training: LabeledResults, recipe: Recipe, seed: int) -> Settled:
    """Decide baseline, floor and scale on the training data, by the library's rules."""
    baseline = (
        training.best_baseline(training.poses) if recipe.baseline == "auto" else recipe.baseline
    )
    floor = floor_of(training) if recipe.floor is None else recipe.floor
    scale = 1.0
    if not baselines.get(baseline).bounded:
        poses = table(
            training.ground_truth, training.poses, floor=floor, max_poses=recipe.max_poses
        )
        values = training.baseline_values(baseline)[np.concatenate(poses.entries)]
        scale = max(float(np.median(values)), 1e-4)
    return Settled(replace(recipe, baseline=baseline, seed=seed), floor, scale)
