"""Scores of held-out images with and without signals, and what they are worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.protocol import FOLDS, Verdict, judge
from benchmarks.accuracy.study import gain, mapping, views
from rcnet_rt import experiment
from rcnet_rt.copies import CopyPoses
from rcnet_rt.labelled import Data, fold_splits
from rcnet_rt.poses import Poses
from rcnet_rt.recipes import PRESETS, Recipe
from rcnet_rt.refiner import Refiner
from rcnet_rt.second_look import in_doubt

__all__ = ["FORMULAS", "OVER", "PLAIN", "SIGNALS", "VARIANTS", "out_of_fold", "table"]

Floats = npt.NDArray[np.float64]

# The recipe of the shipped yolo-pose weights, without signals and with them.
PLAIN = replace(
    PRESETS["residual"], architecture="mlp", epochs=5, base="score_times_confidence"
)
SIGNALS = replace(PLAIN, features="signals", base="score_times_agreement")

RAW, FORMULA = "raw score", "score × confidence"
FORMULAS: Mapping[str, str] = MappingProxyType(
    {
        RAW: "score",
        FORMULA: "score_times_confidence",
        "score × confidence × candidate OKS": "score_times_consensus",
        "score × confidence × candidate OKS × agreement": "score_times_agreement",
    }
)

Variant = Callable[[Poses, Refiner], Poses]


def _nothing(poses: Poses, refiner: Refiner) -> Poses:
    return replace(poses, consensus=None, agreement=None)


def _consensus(poses: Poses, refiner: Refiner) -> Poses:
    return replace(poses, agreement=None)


def _looks(most: int) -> Variant:
    def look(poses: Poses, refiner: Refiner) -> Poses:
        """Keep the second look at the poses that a frame's budget goes to."""
        once = _consensus(poses, refiner)
        if poses.agreement is None:
            return once
        chosen = in_doubt(refiner(once).scores, most)
        agreement = np.full(len(poses), np.nan, np.float32)
        agreement[chosen] = poses.agreement[chosen]
        return replace(poses, agreement=agreement)

    return look


WITHOUT, BLIND = "weights without signals", "weights with signals, none given"
CONSENSUS = "… and consensus"
VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        BLIND: _nothing,
        CONSENSUS: _consensus,
        "… and a second look at 1 pose": _looks(1),
        "… at 3 poses": _looks(3),
        "… at all poses": _looks(20),
    }
)
OVER = (RAW, FORMULA, WITHOUT, CONSENSUS)


@dataclass(frozen=True)
class _Task:
    data: Data
    recipe: Recipe
    variants: Mapping[str, Variant]
    seed: int
    fold: int


def out_of_fold(
    data: Data, recipe: Recipe, variants: tuple[str, ...], seed: int, fold: int
) -> dict[str, tuple[npt.NDArray[np.int64], Floats]]:
    """Train on all folds but one; return places and scores of that one's poses, by variant."""
    split = fold_splits(list(data.poses), FOLDS, seed)[fold]
    weights = experiment.fit(data, replace(recipe, seed=seed), split, name="signals")
    refiner = Refiner(weights, backend="torch")
    items = [data.poses[image] for image in split.held_out]
    places = np.concatenate([item.entries for item in items])
    scores = {}
    for name in variants:
        given = [VARIANTS[name](item.poses, refiner) for item in items]
        refined = refiner.batch(given)
        scores[name] = places, np.concatenate([p.scores for p in refined]).astype(np.float64)
    return scores
