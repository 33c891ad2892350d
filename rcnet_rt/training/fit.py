"""Train weights on one split: resolve the recipe, match, train, and report progress.

The held-out images follow in `training.cross_validation`: every figure in a weights file is of
images that the scoring network was not trained on. With k folds each image is held out once, and
the final network is trained on all images.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.augment import AugmentedPoses
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE, ranking_accuracy
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring import features as feature_sets
from rcnet_rt.rescoring.batch import concatenate
from rcnet_rt.rescoring.score_convention import ScoreConvention
from rcnet_rt.rescoring.weights import DEFAULT_FLOOR, Weights
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.dataset import PoseTable, RankingSet, ranking_set, table
from rcnet_rt.training.loop import Epoch, score, train
from rcnet_rt.training.splits import Split

__all__ = ["Progress", "embedding_size", "fit"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Progress:
    """The state of a training run after an epoch.

    Attributes:
        split: name of the split.
        epoch: from 1.
        loss: mean over the steps of the epoch.
        ap: in [0, 1], on the held-out images of the split; NaN if it has none.
        ranking_accuracy: in [0, 1], of their poses matched at OKS 0.5; NaN likewise.
    """

    split: str
    epoch: int
    loss: float
    ap: float
    ranking_accuracy: float


def fit(
    data: LabeledResults,
    recipe: Recipe,
    split: Split,
    *,
    name: str,
    device: str = "cpu",
    checkpoint: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Weights:
    """Train on the training images of a split; return weights without calibration.

    Args:
        data: results with ground truth.
        recipe: settings; what it leaves open is resolved on the training images.
        split: images to train on and to monitor.
        name: of the weights.
        device: as torch spells it.
        checkpoint: file to save after every epoch and to resume from.
        progress: called after every epoch.

    Raises:
        DatasetError: results and ground truth do not belong together, or no pose is correct.
        WeightsError: training diverged, or the checkpoint does not fit.
    """
    data.check()
    recipe = _resolved(data, recipe, split)
    assert recipe.floor is not None
    learned = _table(data, recipe, split.training, _augmentations(data, recipe))
    if not any(
        (oks[weight > 0] >= TRUE_POSITIVE).any()
        for oks, weight in zip(learned.oks, learned.weights, strict=True)
    ):
        raise DatasetError(
            f"none of the {sum(map(len, learned.oks))} poses on the training images reaches OKS "
            f"{TRUE_POSITIVE} with a person, so there is nothing to learn; check that results and "
            "ground truth belong together, or give more images"
        )
    scale = _scale(recipe.baseline, learned)
    examples = _ranking_set(data, recipe, learned, scale)
    monitor = None if progress is None else _HeldOutMonitor(data, recipe, split, scale, progress)
    network = train(recipe, examples, device=device, checkpoint=checkpoint, on_epoch=monitor)
    return Weights(
        name=name,
        baseline=recipe.baseline,
        baseline_scale=scale,
        skeleton=data.ground_truth.skeleton.name,
        features=recipe.features,
        embedding_size=embedding_size(data, recipe),
        network=network.config,
        tensors={key: t.cpu().numpy().copy() for key, t in network.state_dict().items()},
        floor=recipe.floor,
        family=name,
        score_convention=str(ScoreConvention.of([item.poses for item in data.poses.values()])),
        score_range=(float(data.scores.min()), float(data.scores.max())),
    )


def embedding_size(data: LabeledResults, recipe: Recipe) -> int:
    """Return the length of the embeddings among the recipe's features; 0 if they use none.

    Raises:
        DatasetError: the features need embeddings, and the results have none or of several lengths.
    """
    if not feature_sets.get(recipe.features).visual:
        return 0
    if data.embedding_size == 0:
        raise DatasetError(
            f"the results have no embeddings, which the features {recipe.features} need; predict "
            "with --embeddings, or train with --features "
            f"{recipe.features.removesuffix('+visual')}"
        )
    return data.embedding_size


def _resolved(data: LabeledResults, recipe: Recipe, split: Split) -> Recipe:
    """Return the recipe with baseline and floor resolved on the training images."""
    baseline = data.best_baseline(split.training) if recipe.baseline == "auto" else recipe.baseline
    floor = recipe.floor
    if floor is None:
        floor = DEFAULT_FLOOR if data.unit_scores else 0.0
    return replace(recipe, baseline=baseline, floor=floor)


def _augmentations(data: LabeledResults, recipe: Recipe) -> Mapping[int, Sequence[AugmentedPoses]]:
    return (
        data.augmentations_with_fewer_signals
        if recipe.features == "signals"
        else data.augmentations
    )


def _table(
    data: LabeledResults,
    recipe: Recipe,
    images: Collection[int],
    augmentations: Mapping[int, Sequence[AugmentedPoses]] | None = None,
) -> PoseTable:
    assert recipe.floor is not None
    return table(
        data.ground_truth,
        {image: data.poses[image] for image in images},
        augmentations,
        floor=recipe.floor,
        max_poses=recipe.max_poses,
        unmatched_weight=recipe.unmatched_weight,
    )


def _ranking_set(
    data: LabeledResults, recipe: Recipe, poses: PoseTable, scale: float
) -> RankingSet:
    skeleton = data.ground_truth.skeleton
    return ranking_set(
        poses,
        skeleton,
        recipe.features,
        recipe.baseline,
        scale,
        recipe.target,
        embedding_size=embedding_size(data, recipe),
        without=recipe.without,
    )


def _scale(baseline: str, poses: PoseTable) -> float:
    """Return the value of an unbounded baseline that becomes 0.5: its median over the poses."""
    formula = baselines.get(baseline)
    if formula.bounded:
        return 1.0
    median = float(np.median(formula.compute(concatenate(poses.batches))))
    return median if median > 0 else 1.0


class _HeldOutMonitor:
    """Computes AP and ranking accuracy on the held-out images after every epoch."""

    def __init__(
        self,
        data: LabeledResults,
        recipe: Recipe,
        split: Split,
        scale: float,
        progress: Callable[[Progress], None],
    ) -> None:
        self._data, self._split, self._progress = data, split, progress
        if split.held_out:
            poses = _table(data, recipe, split.held_out)
            self._rows = np.concatenate(poses.entries)
            self._examples = _ranking_set(data, recipe, poses, scale)

    def __call__(self, epoch: Epoch) -> None:
        ap = accuracy = float("nan")
        if self._split.held_out:
            refined = score(epoch.network, self._examples)
            scores = (
                self._data.scores - self._data.scores.max()
            )  # entries that are not re-scored rank last
            scores[self._rows] = refined
            ap = self._data.average_precision.ap(scores, self._split.held_out)
            oks = self._data.match.target[self._rows]
            true = oks >= TRUE_POSITIVE
            accuracy = ranking_accuracy(refined[true], oks[true])
        self._progress(Progress(self._split.name, epoch.number, epoch.loss, ap, accuracy))
