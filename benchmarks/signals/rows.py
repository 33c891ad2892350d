"""Scores of held-out images with and without signals, and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from rcnet_rt.evidence import SIGNALS

from benchmarks.accuracy.protocol import FOLDS, Verdict, judge
from benchmarks.accuracy.study import gain, mapping, views
from rcnet_rt import experiment
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.held_out import learn_evidence, with_evidence
from rcnet_rt.labelled import Data, fold_splits
from rcnet_rt.poses import Poses
from rcnet_rt.recipes import PRESETS, Recipe
from rcnet_rt.refiner import Refiner
from rcnet_rt.runs import load_data
from rcnet_rt.second_look import in_doubt
from rcnet_rt.weights_file import DEFAULT_FLOOR as FLOOR

__all__ = [
    "CONSENSUS",
    "LOOKED",
    "NETWORK",
    "Files",
    "Scores",
    "load",
    "scores_by_row",
    "tables",
]

Floats = npt.NDArray[np.float64]
Scores = dict[str, list[Floats]]  # by row: (E,) for each fold seed

RAW, FORMULA = "raw score", "score × confidence"
NETWORK, CONSENSUS, LOOKED = "network alone", "+ consensus", "+ consensus, second look at all"
FORMULAS: Mapping[str, str] = MappingProxyType(
    {
        RAW: "score",
        FORMULA: "score_times_confidence",
        "score × confidence × candidate OKS": "score_times_consensus",
        "score × confidence × candidate OKS × agreement": "score_times_agreement",
    }
)


@dataclass(frozen=True)
class Files:
    """What the study reads: a COCO folder, results with signals, results on altered copies."""

    coco: Path
    predictions: tuple[Path, ...]
    copies: tuple[Path, ...]


# The recipe of the shipped yolo-pose weights, and the same with the signals among its features.
RECIPE = replace(PRESETS["residual"], architecture="mlp", epochs=5, base="score_times_confidence")
AS_FEATURES = replace(RECIPE, features="signals", base="score_times_agreement")
LOOKS = {
    1: "+ consensus, second look at 1 pose",
    3: "+ consensus, second look at 3 poses",
    20: LOOKED,
}
# What a network with signals among its features is given of them.
GIVEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "as features: none given": (),
        "as features: consensus": ("consensus",),
        "as features: consensus, second look at all": ("consensus", "agreement"),
    }
)
OVER = (RAW, FORMULA, NETWORK, CONSENSUS)


@dataclass(frozen=True)
class _Task:
    files: Files
    recipe: Recipe
    seed: int
    fold: int


@lru_cache(maxsize=1)
def load(files: Files) -> Data:
    """Read everything, once."""
    return load_data(Dataset(files.coco), files.predictions, files.copies)


def scores_by_row(files: Files, fold_seeds: int, workers: int) -> Scores:
    """Return the scores of every row; an image's are of networks that did not see it."""
    data = load(files)
    scores: Scores = {row: [data.formula_values(name)] for row, name in FORMULAS.items()}
    tasks = [
        _Task(files, recipe, seed, fold)
        for seed in range(fold_seeds)
        for recipe in (RECIPE, AS_FEATURES)
        for fold in range(FOLDS)
    ]
    with mapping(workers) as mapped:
        for task, (places, found) in zip(tasks, mapped(_held_out, tasks), strict=True):
            for row, values in found.items():
                seeds = scores.setdefault(row, [])
                if len(seeds) == task.seed:
                    seeds.append(np.zeros(len(data.entries)))
                seeds[task.seed][places] = values
    moved = [_evidence_rows(data, network, seed) for seed, network in enumerate(scores[NETWORK])]
    return scores | {row: [rows[row] for rows in moved] for row in moved[0]}


def _held_out(task: _Task) -> tuple[npt.NDArray[np.int64], dict[str, Floats]]:
    """Train on all folds but one; return places and scores of that one's poses, by row."""
    data = load(task.files)
    split = fold_splits(list(data.poses), FOLDS, task.seed)[task.fold]
    weights = experiment.fit(data, replace(task.recipe, seed=task.seed), split, name="signals")
    refiner = Refiner(weights, backend="torch")
    items = [data.poses[image] for image in split.held_out]
    given = GIVEN if task.recipe == AS_FEATURES else {NETWORK: ()}
    found = {}
    for row, names in given.items():
        refined = refiner.batch([_with_only(item.poses, names) for item in items])
        found[row] = np.concatenate([poses.scores for poses in refined]).astype(np.float64)
    return np.concatenate([item.entries for item in items]), found


def _with_only(poses: Poses, names: tuple[str, ...]) -> Poses:
    missing: dict[str, Any] = {name: None for name in SIGNALS if name not in names}
    return replace(poses, **missing)


def _evidence_rows(data: Data, network: Floats, seed: int) -> dict[str, Floats]:
    """Return scores with evidence that was learned on the other folds."""
    rows = {row: network.copy() for row in (CONSENSUS, *LOOKS.values())}
    for split in fold_splits(list(data.poses), FOLDS, seed):
        here, there = (
            np.concatenate([data.poses[image].entries for image in images])
            for images in (split.held_out, split.training)
        )
        learned = learn_evidence(data, there, network, FLOOR)
        free = [item for item in learned if item.signal == "consensus"]
        rows[CONSENSUS][here] = with_evidence(data, here, network, free, FLOOR)
        for most, row in LOOKS.items():
            seen = _looked_at(data, rows[CONSENSUS], split.held_out, most)
            rows[row][here] = with_evidence(seen, here, network, learned, FLOOR)
    return rows


def _looked_at(data: Data, scores: Floats, images: Sequence[int], most: int) -> Data:
    """Return the data with a second look at only so many poses of an image, those in doubt."""
    kept = set()
    for image in images:
        places = data.poses[image].entries
        kept.update(places[in_doubt(scores[places], most)].tolist())
    entries = [
        entry if place in kept else {name: v for name, v in entry.items() if name != "agreement"}
        for place, entry in enumerate(data.entries)
    ]
    return Data(data.ground_truth, entries)


def tables(files: Files, scores: Scores, resamples: int) -> dict[str, Any]:
    """Return AP and gains of every row in points, over all and over fully annotated images."""
    data = load(files)
    return {
        view: {"images": len(images), "rows": _rows(data, scores, images, resamples)}
        for view, images in views(data).items()
    }


def _rows(
    data: Data, scores: Scores, images: Sequence[int], resamples: int
) -> list[dict[str, Any]]:
    verdicts: dict[str, list[Verdict]] = {
        row: [judge(data, values, images, resamples) for values in seeds]
        for row, seeds in scores.items()
    }
    return [
        {
            "name": row,
            "ap": 100 * float(np.mean([verdict.ap for verdict in seeds])),
            "gains": {other: gain(seeds, verdicts[other]) for other in OVER if other != row},
        }
        for row, seeds in verdicts.items()
    ]
