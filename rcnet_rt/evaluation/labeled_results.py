"""An estimator's results with the ground truth of their images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.augment import AugmentedPoses, poses_by_augmentation
from rcnet_rt.datasets.ground_truth import GroundTruth, match_ids
from rcnet_rt.datasets.results import (
    Entry,
    ImagePoses,
    poses_by_image,
    scores_of,
)
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.average_precision import AveragePrecision
from rcnet_rt.evaluation.compare import match_entries
from rcnet_rt.poses.fields import SIGNALS
from rcnet_rt.poses.oks import Match
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring.batch import concatenate, poses_to_batch

__all__ = ["Data"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Data:
    """An estimator's results with the ground truth of their images.

    Attributes:
        ground_truth: the people.
        entries: the results.
        augmented_entries: its results on altered copies, see `datasets.augment`.
    """

    ground_truth: GroundTruth
    entries: Sequence[Entry]
    augmented_entries: Sequence[Entry] = ()

    def __post_init__(self) -> None:
        for name in ("entries", "augmented_entries"):
            matched = match_ids(getattr(self, name), self.ground_truth)
            object.__setattr__(self, name, matched)

    @cached_property
    def augmentations(self) -> dict[int, list[AugmentedPoses]]:
        """Poses on altered copies of the images, by image id; for training only."""
        return poses_by_augmentation(self.augmented_entries, self.ground_truth.skeleton)

    @cached_property
    def augmentations_with_fewer_signals(self) -> dict[int, list[AugmentedPoses]]:
        """Copies, every third without its signals, and each image itself with fewer of them.

        So a network that has signals among its features learns to do without.
        """
        lesser: dict[int, list[AugmentedPoses]] = {}
        for image, item in self.poses.items():
            augmentations = list(self.augmentations.get(image, ()))
            augmentations[2::3] = [
                replace(c, poses=_without(c.poses, SIGNALS)) for c in augmentations[2::3]
            ]
            fewer = [AugmentedPoses(None, _without(item, names)) for names in _fewer_signals(item)]
            lesser[image] = [*augmentations, *fewer]
        return lesser

    @cached_property
    def scores(self) -> Floats:
        """(E,) raw scores."""
        return scores_of(self.entries)

    @cached_property
    def poses(self) -> dict[int, ImagePoses]:
        """Poses of the images that have ground truth, by image id."""
        found = poses_by_image(
            self.entries, self.ground_truth.skeleton, self.ground_truth.image_sizes
        )
        known = {i: poses for i, poses in found.items() if i in self.ground_truth.images}
        if not known:
            raise DatasetError(
                "no image of the results is in the ground truth; were they made on other data?"
            )
        return known

    @cached_property
    def embedding_size(self) -> int:
        """How many values an embedding has, of poses and copies alike; 0 where there are none."""
        augmentations = [
            augmented.poses for some in self.augmentations.values() for augmented in some
        ]
        embeddings = [item.poses.embeddings for item in [*self.poses.values(), *augmentations]]
        sizes = sorted({array.shape[1] for array in embeddings if array is not None})
        if len(sizes) > 1:
            raise DatasetError(
                f"the results have embeddings of {' and of '.join(map(str, sizes))} values; "
                "predict all of them with one model"
            )
        return sizes[0] if sizes else 0

    @cached_property
    def average_precision(self) -> AveragePrecision:
        """The judge of any scores for these entries."""
        return AveragePrecision(self.ground_truth, self.entries)

    @cached_property
    def match(self) -> Match:
        """Which entries are right, and by how much."""
        return match_entries(self.ground_truth, self.entries)

    @property
    def unit_scores(self) -> bool:
        """Whether all raw scores are in [0, 1]."""
        return bool(((self.scores >= 0) & (self.scores <= 1)).all())

    def baseline_values(self, name: str) -> Floats:
        """Return (E,) values of a baseline, increasing with its score; -1 without ground truth."""
        return self._values_of([name])[name]

    def _values_of(self, names: Sequence[str]) -> dict[str, Floats]:
        """Return the values of several baselines; all poses are packed once and not kept."""
        items = self.poses.values()
        packed = concatenate([poses_to_batch(item.poses) for item in items])
        rows = np.concatenate([item.entries for item in items])
        values = {name: np.full(len(self.entries), -1.0) for name in names}
        for name in names:
            values[name][rows] = baselines.get(name).compute(packed)
        return values

    def best_baseline(self, images: Collection[int]) -> str:
        """Return the baseline with the best AP on some images; of equals the simplest."""
        names = [
            name
            for name, baseline in baselines.BASELINES.items()
            if baseline.automatic and (self.unit_scores or not baseline.bounded)
        ]
        values = self._values_of(names)
        return max(names, key=lambda name: self.average_precision.ap(values[name], images))


def _fewer_signals(item: ImagePoses) -> list[tuple[str, ...]]:
    """Return what to leave out of an image's poses: a recheck, then every signal."""
    present = [name for name in SIGNALS if getattr(item.poses, name) is not None]
    return [tuple(present[start:]) for start in range(len(present))]


def _without(item: ImagePoses, signals: Iterable[str]) -> ImagePoses:
    nothing: dict[str, Any] = dict.fromkeys(signals)
    return replace(item, poses=replace(item.poses, **nothing))
