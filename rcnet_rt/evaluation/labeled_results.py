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
from rcnet_rt.evaluation.guarantees import ScoredImages
from rcnet_rt.evaluation.plausibility import check_match
from rcnet_rt.evaluation.precision_recall import Ranking
from rcnet_rt.poses.fields import SIGNALS
from rcnet_rt.poses.oks import Match
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring.baselines import Baseline
from rcnet_rt.rescoring.batch import PoseBatch, concatenate, poses_to_batch
from rcnet_rt.rescoring.score_reference import ScoreReference

__all__ = ["LabeledResults"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabeledResults:
    """An estimator's results with the ground truth of their images.

    Attributes:
        ground_truth: the annotated people.
        entries: the E results.
        augmented_entries: results on augmentations of the images, see `datasets.augment`.
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
        """Poses on augmentations of the images, by image id; for training only."""
        return poses_by_augmentation(self.augmented_entries, self.ground_truth.skeleton)

    @cached_property
    def augmentations_with_fewer_signals(self) -> dict[int, list[AugmentedPoses]]:
        """Augmentations, every third without its signals, and each image with fewer signals.

        A network with signals among its features so learns to work without them.
        """
        found: dict[int, list[AugmentedPoses]] = {}
        for image, item in self.poses.items():
            augmentations = list(self.augmentations.get(image, ()))
            augmentations[2::3] = [
                replace(c, poses=_without(c.poses, SIGNALS)) for c in augmentations[2::3]
            ]
            fewer = [AugmentedPoses(None, _without(item, names)) for names in _fewer_signals(item)]
            found[image] = [*augmentations, *fewer]
        return found

    @cached_property
    def scores(self) -> Floats:
        """(E,) raw scores of the estimator."""
        return scores_of(self.entries)

    @cached_property
    def poses(self) -> dict[int, ImagePoses]:
        """Poses of the images that have ground truth, by image id.

        Raises:
            DatasetError: no image of the results has ground truth.
        """
        found = poses_by_image(
            self.entries, self.ground_truth.skeleton, self.ground_truth.image_sizes
        )
        known = {i: poses for i, poses in found.items() if i in self.ground_truth.images}
        if not known:
            raise DatasetError(
                "no image of the results is in the ground truth; give the dataset that they were "
                "predicted on"
            )
        return known

    @cached_property
    def embedding_size(self) -> int:
        """Length of the embeddings of poses and augmentations; 0 where there are none.

        Raises:
            DatasetError: embeddings of several lengths.
        """
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
    def score_reference(self) -> ScoreReference:
        """The reference of the estimator's raw scores: all of its poses on these images."""
        return ScoreReference.of([item.poses for item in self.poses.values()])

    @cached_property
    def average_precision(self) -> AveragePrecision:
        """The AP evaluator for scores of these entries."""
        return AveragePrecision(self.ground_truth, self.entries)

    @cached_property
    def match(self) -> Match:
        """The one-to-one match of the entries with the people."""
        return match_entries(self.ground_truth, self.entries)

    def scored_images(self, scores: Floats) -> ScoredImages:
        """Return the entries that count, with (E,) scores, by image of the ground truth."""
        truth, counted = self.ground_truth, self.match.weight > 0
        index = {image: position for position, image in enumerate(truth.images)}
        people = [int((~truth.persons[image].ignore).sum()) for image in truth.images]
        image = [
            index[entry["image_id"]]
            for entry, counts in zip(self.entries, counted, strict=True)
            if counts
        ]
        return ScoredImages(
            scores=scores[counted],
            oks=self.match.target[counted],
            image=np.asarray(image, np.int64),
            people=np.asarray(people, np.int64),
        )

    def check(self) -> None:
        """Check that the results are plausible for this ground truth, see `check_match`.

        Raises:
            DatasetError: they are of another category, joint order, unit or data set.
        """
        check_match(self.ground_truth, self.entries)

    @property
    def unit_scores(self) -> bool:
        """Whether all raw scores are in [0, 1]."""
        return bool(((self.scores >= 0) & (self.scores <= 1)).all())

    def baseline_values(self, name: str) -> Floats:
        """Return (E,) values of a baseline; -1 for entries on images without ground truth."""
        return self._values(baselines.get(name), *self._packed)

    def _values(self, baseline: Baseline, rows: npt.NDArray[np.int64], packed: PoseBatch) -> Floats:
        values = np.full(len(self.entries), -1.0)
        values[rows] = baseline.compute(packed)
        return values

    @cached_property
    def _packed(self) -> tuple[npt.NDArray[np.int64], PoseBatch]:
        """All poses in one batch, and the indices of their entries."""
        items = self.poses.values()
        packed = concatenate([poses_to_batch(item.poses) for item in items])
        return np.concatenate([item.entries for item in items]), packed

    @cached_property
    def _rankings(self) -> dict[str, Ranking]:
        """The entries ranked by each baseline that can be chosen, the simplest first."""
        rows, packed = self._packed
        rankings = {}
        for name, baseline in baselines.BASELINES.items():
            if baseline.automatic and (self.unit_scores or not baseline.bounded):
                values = self._values(baseline, rows, packed)
                rankings[name] = self.average_precision.ranking(values, 1)
        return rankings

    def baseline_aps(self, images: Collection[int]) -> dict[str, float]:
        """Return the AP on some images of each baseline that can be chosen, the simplest first."""
        ap = self.average_precision.ap_of
        return {name: ap(ranking, images) for name, ranking in self._rankings.items()}

    def best_baseline(self, images: Collection[int]) -> str:
        """Return the baseline with the highest AP on some images; the simplest of equal ones."""
        aps = self.baseline_aps(images)
        return max(aps, key=aps.__getitem__)


def _fewer_signals(item: ImagePoses) -> list[tuple[str, ...]]:
    """Return the sets of signals to leave out: all, then ever fewer from the end of `SIGNALS`."""
    present = [name for name in SIGNALS if getattr(item.poses, name) is not None]
    return [tuple(present[start:]) for start in range(len(present))]


def _without(item: ImagePoses, signals: Iterable[str]) -> ImagePoses:
    nothing: dict[str, Any] = dict.fromkeys(signals)
    return replace(item, poses=replace(item.poses, **nothing))
