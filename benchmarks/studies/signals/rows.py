"""Scores of held-out images with and without signals, and their AP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.studies.accuracy.protocol import FOLDS, Evaluation, evaluate
from benchmarks.studies.accuracy.study import gain, mapping, views
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.estimators.recheck import least_certain
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.poses.poses import Poses
from rcnet_rt.refiner import Refiner
from rcnet_rt.training import fit
from rcnet_rt.training.config import PRESETS, Recipe
from rcnet_rt.training.splits import fold_splits
from rcnet_rt.workflows.train import load_data

__all__ = [
    "CONSENSUS",
    "RECHECKED",
    "NOTHING",
    "WITH",
    "Files",
    "Learner",
    "Scores",
    "load",
    "scores_by_row",
    "tables",
]

Floats = npt.NDArray[np.float64]
Scores = dict[str, list[Floats]]  # by row: (E,) for each fold seed

RAW, BASELINE, PLAIN = "raw score", "score × confidence", "features without signals"
BASELINE_CONSENSUS = "score × confidence × candidate OKS"
BASELINE_AGREEMENT = "score × confidence × candidate OKS × agreement"
NOTHING, CONSENSUS, RECHECKED = (
    "with signals: none given",
    "consensus",
    "and a recheck at all poses",
)
FEW_PLAIN, FEW_CONSENSUS = (
    f"linear, without augmentations: {given}" for given in ("features without signals", "consensus")
)
BASELINES: Mapping[str, str] = MappingProxyType(
    {
        RAW: "score",
        BASELINE: "score_times_confidence",
        BASELINE_CONSENSUS: "score_times_consensus",
        BASELINE_AGREEMENT: "score_times_agreement",
    }
)


@dataclass(frozen=True)
class Files:
    """What the study reads: a COCO folder, results with signals, results on augmented images."""

    coco: Path
    predictions: tuple[Path, ...]
    augmented: tuple[Path, ...]


Given = Callable[[Poses, Refiner], Poses]


def _nothing(poses: Poses, refiner: Refiner) -> Poses:
    return replace(poses, consensus=None, agreement=None)


def _consensus(poses: Poses, refiner: Refiner) -> Poses:
    return replace(poses, agreement=None)


def _recheck(most: int) -> Given:
    def recheck(poses: Poses, refiner: Refiner) -> Poses:
        """Keep the agreement of `most` poses, those that a recheck would choose."""
        once = _consensus(poses, refiner)
        if poses.agreement is None:
            return once
        chosen = least_certain(refiner(once).scores, most)
        agreement = np.full(len(poses), np.nan, np.float32)
        agreement[chosen] = poses.agreement[chosen]
        return replace(poses, agreement=agreement)

    return recheck


@dataclass(frozen=True)
class Learner:
    """A recipe and what it learns from.

    Attributes:
        recipe: how it learns.
        augmented: whether results on augmented images are there.
        rechecked: whether rechecks are known.
    """

    recipe: Recipe
    augmented: bool = True
    rechecked: bool = True


# The recipe of the shipped yolo-pose weights, without and with signals; a linear network that
# learns from the images alone, without and with consensus. GIVEN has the inputs of each row.
PLAINLY = replace(PRESETS["residual"], baseline="score_times_confidence")
WITHOUT = Learner(replace(PLAINLY, architecture="mlp", epochs=5))
WITH = Learner(replace(WITHOUT.recipe, features="signals", baseline="score_times_agreement"))
FEW_WITHOUT = Learner(replace(PLAINLY, architecture="linear"), augmented=False, rechecked=False)
FEW_WITH = replace(
    FEW_WITHOUT,
    recipe=replace(FEW_WITHOUT.recipe, features="signals", baseline="score_times_consensus"),
)
GIVEN: Mapping[Learner, Mapping[str, Given]] = MappingProxyType(
    {
        FEW_WITHOUT: {FEW_PLAIN: _nothing},
        FEW_WITH: {FEW_CONSENSUS: _consensus},
        WITHOUT: {PLAIN: _nothing},
        WITH: {
            NOTHING: _nothing,
            CONSENSUS: _consensus,
            "and a recheck at 1 pose": _recheck(1),
            "and a recheck at 3 poses": _recheck(3),
            RECHECKED: _recheck(20),
        },
    }
)
OVER = (RAW, BASELINE, PLAIN, CONSENSUS)
SAME = "the same without it"
WITHOUT_IT = MappingProxyType(  # rows that add one signal -> those that lack it alone
    {
        BASELINE_CONSENSUS: BASELINE,
        BASELINE_AGREEMENT: BASELINE_CONSENSUS,
        FEW_CONSENSUS: FEW_PLAIN,
        CONSENSUS: PLAIN,
        RECHECKED: CONSENSUS,
    }
)


@dataclass(frozen=True)
class _Task:
    files: Files
    learner: Learner
    seed: int
    fold: int


@lru_cache(maxsize=1)
def load(files: Files) -> LabeledResults:
    """Read everything, once."""
    return load_data(Dataset(files.coco), files.predictions, files.augmented)


@lru_cache(maxsize=2)
def _known_to(learner: Learner, files: Files) -> LabeledResults:
    """Return the data that a learner learns from."""
    data = load(files)
    if not learner.augmented:
        data = replace(data, augmented_entries=[])
    if not learner.rechecked:
        entries = [{k: v for k, v in e.items() if k != "agreement"} for e in data.entries]
        data = replace(data, entries=entries)
    return data


def scores_by_row(files: Files, fold_seeds: int, workers: int) -> Scores:
    """Return the scores of every row; an image's are of networks that did not see it."""
    data = load(files)
    scores: Scores = {row: [data.baseline_values(name)] for row, name in BASELINES.items()}
    tasks = [
        _Task(files, learner, seed, fold)
        for seed in range(fold_seeds)
        for learner in GIVEN
        for fold in range(FOLDS)
    ]
    with mapping(workers) as mapped:
        for task, (places, found) in zip(tasks, mapped(_held_out, tasks), strict=True):
            for row, values in found.items():
                seeds = scores.setdefault(row, [])
                if len(seeds) == task.seed:
                    seeds.append(np.zeros(len(data.entries)))
                seeds[task.seed][places] = values
    return scores


def _held_out(task: _Task) -> tuple[npt.NDArray[np.int64], dict[str, Floats]]:
    """Train on all folds but one; return places and scores of that one's poses, by row."""
    data = _known_to(task.learner, task.files)
    split = fold_splits(list(data.poses), FOLDS, task.seed)[task.fold]
    recipe = replace(task.learner.recipe, seed=task.seed)
    weights = fit.fit(data, recipe, split, name="signals")
    refiner = Refiner(weights, backend="torch")
    items = [data.poses[image] for image in split.held_out]
    found = {}
    for row, given in GIVEN[task.learner].items():
        refined = refiner.batch([given(item.poses, refiner) for item in items])
        found[row] = np.concatenate([poses.scores for poses in refined]).astype(np.float64)
    return np.concatenate([item.entries for item in items]), found


def tables(files: Files, scores: Scores, resamples: int) -> dict[str, Any]:
    """Return AP and gains of every row in points, over all and over fully annotated images."""
    data = load(files)
    return {
        view: {"images": len(images), "rows": _rows(data, scores, images, resamples)}
        for view, images in views(data).items()
    }


def _rows(
    data: LabeledResults, scores: Scores, images: Sequence[int], resamples: int
) -> list[dict[str, Any]]:
    evaluations: dict[str, list[Evaluation]] = {
        row: [evaluate(data, values, images, resamples) for values in seeds]
        for row, seeds in scores.items()
    }
    return [
        {
            "name": row,
            "ap": 100 * float(np.mean([evaluation.ap for evaluation in seeds])),
            "gains": {
                name: gain(seeds, evaluations[other]) for name, other in _compared_with(row).items()
            },
        }
        for row, seeds in evaluations.items()
    ]


def _compared_with(row: str) -> dict[str, str]:
    """Return column -> row."""
    own = {SAME: WITHOUT_IT[row]} if row in WITHOUT_IT else {}
    return own | {other: other for other in OVER if other != row}
