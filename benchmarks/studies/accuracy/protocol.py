"""Estimators, folds and bootstrap: the same for every row of the study.

A scorer gets labelled training poses and unlabelled test poses, and returns scores for the latter.
Its out-of-fold scores are pooled and ranked over all images, as they would be in use.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from benchmarks.studies.accuracy.crowdpose import as_crowdpose
from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.results import read_results
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.training.splits import fold_splits

__all__ = [
    "EARLIER",
    "ESTIMATORS",
    "Estimator",
    "Evaluation",
    "Scorer",
    "blind",
    "evaluate",
    "load",
    "out_of_fold",
    "part_of",
]

Floats = npt.NDArray[np.float64]
Scorer = Callable[
    [LabeledResults, LabeledResults, int], Floats
]  # (training, blind test, seed) -> scores of the test

FOLDS = 5


@dataclass(frozen=True)
class Estimator:
    """An estimator of the study.

    Attributes:
        name: as printed.
        group: the paper's: one-stage, top-down or bottom-up.
        files: names of its results under predictions/, taken together.
        baseline: name of the hand-made baseline that must be beaten, and that networks correct.
        truth: the COCO folder that its images are annotated in.
        seeds: how many splits into folds, and networks, its rows are averaged over.
        crowdpose: whether poses and people are mapped to CrowdPose's 14 joints.
    """

    name: str
    group: str
    files: tuple[str, ...]
    baseline: str
    truth: str = "coco-val"
    seeds: int = 1
    crowdpose: bool = False


def _named(*estimators: Estimator) -> Mapping[str, Estimator]:
    return MappingProxyType({estimator.name: estimator for estimator in estimators})


def _val1540(name: str, group: str, baseline: str, seeds: int = 1) -> Estimator:
    return Estimator(name, group, (f"val1540/{name}",), baseline, seeds=seeds)


# Eight on 1,540 images, one on 553; all of val2017 and completely annotated.
ESTIMATORS = _named(
    _val1540("yolov8n_640", "one-stage", "score_times_confidence", seeds=3),
    _val1540("tinypose", "top-down", "score", seeds=3),
    _val1540("posenet", "bottom-up", "score", seeds=3),
    _val1540("yolo11n_640", "one-stage", "score_times_confidence"),
    _val1540("yolov8n_320", "one-stage", "score_times_confidence"),
    _val1540("yolo11n_256", "one-stage", "score_times_confidence"),
    _val1540("simplepose", "top-down", "score"),
    _val1540("movenet", "top-down", "score"),
    Estimator(
        "lightweight-openpose",
        "bottom-up",
        ("lightweight-openpose_val2017",),
        "score_times_joints",
    ),
)

# What the ablations and the `generic` weights were made on: fewer images, in annotations that lack
# crowds and people without keypoints.
EARLIER = _named(
    Estimator(
        "lightweight-openpose",
        "bottom-up",
        ("lightweight-openpose_val2017",),
        "score_times_joints",
        truth="coco",
        seeds=3,
    ),
    Estimator(
        "yolo-pose",
        "one-stage",
        ("yolov8n-pose_val2017", "yolov8n-pose_train2017"),
        "score_times_confidence",
        truth="coco",
        seeds=3,
    ),
)


@lru_cache(maxsize=2)
def load(folder: Path, estimator: Estimator) -> LabeledResults:
    """Return an estimator's results with their ground truth."""
    files = [folder / "predictions" / f"{name}.json.gz" for name in estimator.files]
    entries = [entry for file in files for entry in read_results(file)]
    images = {entry["image_id"] for entry in entries}
    truth = load_ground_truth(folder / estimator.truth, image_ids=images)
    if estimator.crowdpose:
        truth, entries = as_crowdpose(truth, entries)
    return LabeledResults(truth, entries)


def part_of(
    data: LabeledResults, images: Collection[int]
) -> tuple[LabeledResults, npt.NDArray[np.int64]]:
    """Return the part of the data on some images, and the places of its entries in the whole."""
    chosen = set(images)
    rows = [row for row, entry in enumerate(data.entries) if entry["image_id"] in chosen]
    part = LabeledResults(data.ground_truth.subset(chosen), [data.entries[row] for row in rows])
    return part, np.array(rows, dtype=np.int64)


def blind(data: LabeledResults) -> LabeledResults:
    """Return the same poses without ground truth, so that no scorer can use it."""
    truth = data.ground_truth
    nobody = {image: persons[:0] for image, persons in truth.persons.items()}
    return LabeledResults(replace(truth, persons=nobody, complete=frozenset()), data.entries)


@lru_cache(maxsize=1)
def _folds(
    data: LabeledResults, seed: int
) -> list[tuple[LabeledResults, LabeledResults, npt.NDArray[np.int64]]]:
    """Return training data, blind test data and the test's places, of each fold."""
    folds = []
    for split in fold_splits(list(data.poses), FOLDS, seed):
        test, rows = part_of(data, split.held_out)
        folds.append((part_of(data, split.training)[0], blind(test), rows))
    return folds


def out_of_fold(data: LabeledResults, scorer: Scorer, seed: int) -> Floats:
    """Return (E,) scores, each image's by a scorer that was trained without it."""
    scores = np.zeros(len(data.entries))
    for training, test, rows in _folds(data, seed):
        scores[rows] = scorer(training, test, seed)
    return scores


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The AP of one score vector on one choice of images.

    Attributes:
        ap: COCO's AP, in [0, 1].
        resampled: (R,) the same on bootstrap resamples of the images; the same draws everywhere.
        own: (I,) AP of each image by itself, NaN where no person counts.
    """

    ap: float
    resampled: Floats
    own: Floats


def evaluate(
    data: LabeledResults, scores: Floats, images: Collection[int], resamples: int
) -> Evaluation:
    """Evaluate scores on some images."""
    # The ranking does not depend on which images count how often, so it is made only once.
    ranking = data.average_precision.ranking(scores, 1)
    inside = np.isin(data.average_precision.images, list(images))
    chosen = np.flatnonzero(inside)
    share = np.full(len(chosen), 1 / len(chosen))
    draws = np.zeros((resamples, len(inside)))
    draws[:, chosen] = np.random.default_rng(0).multinomial(len(chosen), share, size=resamples)
    own = np.array([ranking.ap(alone) for alone in np.eye(len(inside))[chosen]])
    return Evaluation(
        ap=ranking.ap(inside.astype(np.float64)),
        resampled=np.array([ranking.ap(draw) for draw in draws]),
        own=np.where(own < 0, np.nan, own),
    )
