"""What the trainings of a run share: each estimator's matched poses, and their features.

Poses are matched and packed once, and features computed once for each baseline; a split is a
selection of rows. Several estimators have matches, images and score ranges of their own; what a
recipe leaves open is resolved over all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.augment import AugmentedPoses
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring import features as feature_sets
from rcnet_rt.rescoring.batch import concatenate
from rcnet_rt.rescoring.weights import DEFAULT_FLOOR
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.dataset import (
    PoseTable,
    RankingSet,
    join,
    ranking_set,
    select,
    table,
    with_reference,
)
from rcnet_rt.training.monitor import HeldOutImages
from rcnet_rt.training.splits import Split

__all__ = ["Examples", "Training", "embedding_size"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Training:
    """All that the training on one split needs; it can be sent to another process.

    Attributes:
        split: name of the split.
        recipe: with baseline and floor resolved.
        baseline_scale: value of an unbounded baseline that becomes 0.5.
        examples: the poses to train on.
        held_out: of each estimator that has held-out images.
    """

    split: str
    recipe: Recipe
    baseline_scale: float
    examples: RankingSet
    held_out: Sequence[HeldOutImages]


class Examples:
    """The labeled poses of one estimator or several, for trainings on splits of their images.

    Args:
        estimators: results by name of the estimator; their order does not matter.
        recipe: settings of the trainings.
        images: ids of the images that the splits are of; all by default.

    Raises:
        DatasetError: results and ground truth do not belong together, skeletons differ, or the
            features need embeddings that are not there.
    """

    def __init__(
        self,
        estimators: Mapping[str, LabeledResults],
        recipe: Recipe,
        images: Collection[int] | None = None,
    ) -> None:
        self.estimators = dict(sorted(estimators.items()))
        results = self.estimators.values()
        skeletons = {data.ground_truth.skeleton.name for data in results}
        if len(skeletons) != 1:
            raise DatasetError(
                f"one network re-scores one skeleton, got {' and '.join(sorted(skeletons))}; train "
                "on estimators with the same joints"
            )
        for data in results:
            data.check()
        self.embedding_size = embedding_size(results, recipe)
        floor = recipe.floor
        if floor is None:
            floor = DEFAULT_FLOOR if all(data.unit_scores for data in results) else 0.0
        self.recipe = replace(recipe, floor=floor)
        everything = {image for data in results for image in data.poses}
        self._images = everything if images is None else set(images)
        self._key: tuple[str, float] | None = None
        self._features: list[RankingSet] = []

    def check(self, splits: Iterable[Split]) -> None:
        """Check that each split can be trained on.

        Raises:
            DatasetError: no training image of a split has poses, or no pose is correct.
        """
        for split in splits:
            self._check_correct(self._numbers(split))

    def training(self, split: Split) -> Training:
        """Return what the training on a split needs.

        Raises:
            DatasetError: no training image has poses, or no pose is correct.
        """
        numbers = self._numbers(split)
        self._check_correct(numbers)
        baseline = self.recipe.baseline
        if baseline == "auto":
            baseline = self._best_baseline(split.training)
        scale = self.baseline_scale(baseline, split)
        features = self._featured(baseline, scale)
        held_out = [
            _held_out(data, part, some, split.held_out)
            for data, part, some in zip(
                self.estimators.values(), self._matched, features, strict=True
            )
        ]
        return Training(
            split=split.name,
            recipe=replace(self.recipe, baseline=baseline, epochs=self.epochs),
            baseline_scale=scale,
            examples=join([select(*each) for each in zip(features, numbers, strict=True)]),
            held_out=[images for images in held_out if images is not None],
        )

    def _numbers(self, split: Split) -> list[Integers]:
        """Return, by estimator, the numbers of a split's training images and augmentations."""
        return [part.numbers(split.training) for part in self._matched]

    @cached_property
    def epochs(self) -> int:
        """The number of epochs, the same for all splits."""
        poses = sum(len(oks) for part in self._matched for oks in part.poses.oks)
        return self.recipe.epochs_for(poses)

    @cached_property
    def _matched(self) -> list[_Matched]:
        return [self._match(data) for data in self.estimators.values()]

    def _match(self, data: LabeledResults) -> _Matched:
        floor = self.recipe.floor
        assert floor is not None
        chosen = sorted(self._images.intersection(data.poses))
        poses = table(
            data.ground_truth,
            {image: data.poses[image] for image in chosen},
            _augmentations(data, self.recipe),
            floor=floor,
            max_poses=self.recipe.max_poses,
            unmatched_weight=self.recipe.unmatched_weight,
        )
        baseline = baselines.BASELINES.get(self.recipe.baseline)  # None: still to be chosen
        if baseline is not None and baseline.ranked:
            poses = with_reference(poses, data.score_reference)
        return _Matched(poses)

    def _best_baseline(self, images: Collection[int]) -> str:
        """Return the baseline with the highest AP on some images, the mean over the estimators."""
        aps = [
            data.baseline_aps(images)
            for data in self.estimators.values()
            if not data.poses.keys().isdisjoint(images)
        ]
        shared = [name for name in aps[0] if all(name in each for each in aps)]
        return max(shared, key=lambda name: float(np.mean([each[name] for each in aps])))

    def baseline_scale(self, name: str, split: Split) -> float:
        """Return the value of an unbounded baseline that becomes 0.5: its median in training."""
        baseline = baselines.get(name)
        if baseline.bounded:
            return 1.0
        numbers = [part.numbers(split.training) for part in self._matched]
        values = [
            baseline.compute(concatenate([part.poses.batches[number] for number in some]))
            for part, some in zip(self._matched, numbers, strict=True)
            if len(some)
        ]
        median = float(np.median(np.concatenate(values)))
        return median if median > 0 else 1.0

    def _featured(self, baseline: str, scale: float) -> list[RankingSet]:
        """Return the features of all poses; those of the last baseline and scale are kept."""
        if self._key != (baseline, scale):
            self._features = [
                ranking_set(
                    part.poses,
                    data.ground_truth.skeleton,
                    self.recipe.features,
                    baseline,
                    scale,
                    self.recipe.target,
                    embedding_size=self.embedding_size,
                    without=self.recipe.without,
                )
                for data, part in zip(self.estimators.values(), self._matched, strict=True)
            ]
            self._key = baseline, scale
        return self._features

    def _check_correct(self, numbers: Sequence[Integers]) -> None:
        """Check that a pose to train on is correct."""
        count = 0
        for part, some in zip(self._matched, numbers, strict=True):
            for number in some:
                oks, weights = part.poses.oks[number], part.poses.weights[number]
                if (oks[weights > 0] >= TRUE_POSITIVE).any():
                    return
                count += len(oks)
        raise DatasetError(
            f"none of the {count} poses on the training images reaches OKS "
            f"{TRUE_POSITIVE} with a person, so there is nothing to learn; check that results and "
            "ground truth belong together, or give more images"
        )


class _Matched:
    """The matched poses of an estimator, and where those of an image are."""

    def __init__(self, poses: PoseTable) -> None:
        self.poses = poses
        self._numbers: dict[int, list[int]] = {}
        for number, image in enumerate(poses.image_ids.tolist()):
            self._numbers.setdefault(image, []).append(number)

    def numbers(self, images: Iterable[int]) -> Integers:
        """Return the numbers of images and their augmentations in the table."""
        found = [number for image in images for number in self._numbers.get(image, ())]
        return np.array(found, dtype=np.int64)

    def originals(self, images: Iterable[int]) -> Integers:
        """Return the numbers of images in the table, without augmentations."""
        found = self.numbers(images)
        return found[~self.poses.augmented[found]]


def _held_out(
    data: LabeledResults, part: _Matched, features: RankingSet, images: Sequence[int]
) -> HeldOutImages | None:
    """Return the held-out images of an estimator, or None if it has none."""
    numbers = part.originals(images)
    if not len(numbers):
        return None
    rows = np.concatenate([part.poses.entries[number] for number in numbers])
    return HeldOutImages(
        examples=select(features, numbers),
        rows=rows,
        oks=data.match.target[rows],
        raw_scores=data.scores,
        average_precision=data.average_precision,
        images=tuple(images),
    )


def embedding_size(results: Iterable[LabeledResults], recipe: Recipe) -> int:
    """Return the length of the embeddings among the recipe's features; 0 if they use none.

    Raises:
        DatasetError: the features need embeddings, and the results have none or of several lengths.
    """
    if not feature_sets.get(recipe.features).visual:
        return 0
    sizes = {data.embedding_size for data in results} - {0}
    if not sizes:
        raise DatasetError(
            f"the results have no embeddings, which the features {recipe.features} need; predict "
            "with --embeddings, or train with --features "
            f"{recipe.features.removesuffix('+visual')}"
        )
    if len(sizes) > 1:
        raise DatasetError(
            f"the estimators have embeddings of {' and of '.join(map(str, sorted(sizes)))} values; "
            "train on estimators of one size, or with --features "
            f"{recipe.features.removesuffix('+visual')}"
        )
    return sizes.pop()


def _augmentations(data: LabeledResults, recipe: Recipe) -> Mapping[int, Sequence[AugmentedPoses]]:
    return (
        data.augmentations_with_fewer_signals
        if recipe.features == "signals"
        else data.augmentations
    )
