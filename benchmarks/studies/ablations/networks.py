"""Architectures side by side (table 11), with what they do to ranking and calibration (5, 12)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.studies.ablations.settings import setting
from benchmarks.studies.accuracy import protocol, scorers
from benchmarks.studies.accuracy.protocol import Estimator
from benchmarks.studies.accuracy.study import Options, gain, mapping, views
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE, ause_oks, pearson, ranking_accuracy
from rcnet_rt.training.config import Recipe

__all__ = ["ARCHITECTURES", "run"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ARCHITECTURES: Mapping[str, dict[str, Any]] = {
    "linear": {"architecture": "linear"},
    "MLP": {"architecture": "mlp", "hidden": 256},  # DEKR's ScoreNet
    "attention": {"architecture": "attention"},
}
FIGURES: Mapping[str, Callable[[Floats, Floats], float]] = {
    "ranking accuracy": ranking_accuracy,
    "pearson": pearson,
    "ause": ause_oks,
}


@dataclass(frozen=True)
class _Task:
    options: Options
    estimator: Estimator
    name: str
    recipe: Recipe
    seed: int


def run(
    options: Options, estimator: Estimator, name: str, quick: bool, log: Callable[[str], None]
) -> dict[str, Any]:
    """Return the figures of the raw score and of each architecture in a setting, by view."""
    tasks = [
        _Task(options, estimator, architecture, replace(setting(name, quick), **changes), seed)
        for architecture, changes in ARCHITECTURES.items()
        for seed in range(options.fold_seeds)
    ]
    data = protocol.load(options.data, estimator)
    scores: dict[str, list[Floats]] = {"raw score": [data.scores]}
    with mapping(options.workers) as mapped:
        for task, found in zip(tasks, mapped(_scores, tasks), strict=True):
            scores.setdefault(task.name, []).append(found)
            log(f"{estimator.name}, {name} setting, {task.name}, seed {task.seed}")
    return {
        view: {"images": len(images), "rows": _rows(data, scores, images, options.resamples)}
        for view, images in views(data).items()
    }


def _scores(task: _Task) -> Floats:
    data = protocol.load(task.options.data, task.estimator)
    return protocol.out_of_fold(data, partial(scorers.ours, recipe=task.recipe), task.seed)


def _rows(
    data: LabeledResults,
    scores: Mapping[str, Sequence[Floats]],
    images: Collection[int],
    resamples: int,
) -> dict[str, dict[str, Any]]:
    evaluations = {
        name: [protocol.evaluate(data, seed, images, resamples) for seed in seeds]
        for name, seeds in scores.items()
    }
    sample = _Sample(data, images, resamples)
    ranked = {name: [sample.figures(seed) for seed in seeds] for name, seeds in scores.items()}
    rows: dict[str, dict[str, Any]] = {}
    for name, seeds in scores.items():
        coco = [data.average_precision.evaluate(seed, images) for seed in seeds]
        rows[name] = {
            **{
                key: 100 * float(np.mean([getattr(metrics, key) for metrics in coco]))
                for key in ("ap", "ap_medium", "ap_large", "ar")
            },
            "over": {
                other: gain(evaluations[name], evaluations[other])
                for other in ("raw score", "MLP")
                if other != name
            },
            **sample.summary(ranked[name], ranked["raw score"]),
            "within image": float(np.mean([sample.within_image(seed) for seed in seeds])),
        }
    return rows


class _Sample:
    """The poses matched at OKS 0.5 of some images, and bootstrap draws of these images."""

    def __init__(self, data: LabeledResults, images: Collection[int], resamples: int) -> None:
        image = np.array([entry["image_id"] for entry in data.entries])
        right = (data.match.weight > 0) & (data.match.target >= TRUE_POSITIVE)
        rows = np.flatnonzero(right & np.isin(image, list(images)))
        self._rows = rows[np.argsort(image[rows], kind="stable")]
        self._oks, self._image = data.match.target[self._rows], image[self._rows]
        counts = np.unique(self._image, return_counts=True)[1]
        parts = np.split(np.arange(len(rows)), np.cumsum(counts)[:-1])
        generator = np.random.default_rng(0)
        drawn = generator.integers(0, len(parts), (resamples, len(parts)))
        self._draws = [np.concatenate([parts[part] for part in draw]) for draw in drawn]

    def figures(self, scores: Floats) -> dict[str, Floats]:
        """Return (1 + R,) values of each figure: of all images, then of each draw."""
        score = scores[self._rows]
        places = [np.arange(len(score)), *self._draws]
        return {
            name: np.array([figure(score[some], self._oks[some]) for some in places])
            for name, figure in FIGURES.items()
        }

    def within_image(self, scores: Floats) -> float:
        """Return the ranking accuracy of pairs on the same image."""
        return ranking_accuracy(scores[self._rows], self._oks, self._image)

    @staticmethod
    def summary(
        after: Sequence[Mapping[str, Floats]], before: Sequence[Mapping[str, Floats]]
    ) -> dict[str, dict[str, float]]:
        """Return each figure, means over seeds, and how far it is from the raw score's."""
        summary = {}
        for name in FIGURES:
            values = np.mean([seed[name] for seed in after], axis=0)
            change = values - np.mean([seed[name] for seed in before], axis=0)
            low, high = np.quantile(change[1:], [0.025, 0.975])
            summary[name] = {
                "value": float(values[0]),
                "difference": float(change[0]),
                "low": float(low),
                "high": float(high),
            }
        return summary
