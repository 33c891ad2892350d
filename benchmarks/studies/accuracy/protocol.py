"""LabeledResults, folds and evaluation: the same for every row of the study.

A scorer gets labelled training poses and unlabelled test poses, and returns scores for the latter.
Its out-of-fold scores are pooled and ranked over all images, as they would be in use.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.coco import load_ground_truth
from rcnet_rt.datasets.results import read_results
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.training.splits import fold_splits

__all__ = [
    "ESTIMATORS",
    "Estimator",
    "LeftOutScorer",
    "Scorer",
    "Evaluation",
    "blind",
    "evaluate",
    "left_out",
    "load",
    "out_of_fold",
    "part_of",
]

Floats = npt.NDArray[np.float64]
Scorer = Callable[
    [LabeledResults, LabeledResults, int], Floats
]  # (training, blind test, seed) -> scores of the test
LeftOutScorer = Callable[
    [Sequence[LabeledResults], LabeledResults, int], Floats
]  # training: one LabeledResults an estimator

FOLDS = 5


@dataclass(frozen=True)
class Estimator:
    """An estimator of the study.

    Attributes:
        files: names of its results under predictions/, taken together.
        baseline: name of the hand-made baseline that must be beaten.
    """

    files: tuple[str, ...]
    baseline: str


ESTIMATORS: Mapping[str, Estimator] = MappingProxyType(
    {
        "lightweight-openpose": Estimator(("lightweight-openpose_val2017",), "score_times_joints"),
        "yolo-pose": Estimator(
            ("yolov8n-pose_val2017", "yolov8n-pose_train2017"), "score_times_confidence"
        ),
    }
)


@lru_cache(maxsize=4)
def load(folder: Path, estimator: str) -> LabeledResults:
    """Return an estimator's results with their ground truth."""
    files = [folder / "predictions" / f"{name}.json.gz" for name in ESTIMATORS[estimator].files]
    entries = [entry for file in files for entry in read_results(file)]
    images = {entry["image_id"] for entry in entries}
    return LabeledResults(load_ground_truth(folder / "coco", image_ids=images), entries)


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


@lru_cache(maxsize=2)
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


def left_out(folder: Path, estimator: str, scorer: LeftOutScorer, seed: int) -> Floats:
    """Return (E,) scores of an estimator by a scorer trained on the others, on other images."""
    test = load(folder, estimator)
    others = [load(folder, name) for name in ESTIMATORS if name != estimator]
    training = [part_of(data, set(data.poses) - set(test.poses))[0] for data in others]
    return scorer(training, blind(test), seed)


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
