"""Training data: the poses of many images with features, baseline logits and targets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.augment import AugmentedPoses, persons_in_augmentation
from rcnet_rt.datasets.coco import GroundTruth
from rcnet_rt.datasets.results import ImagePoses
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.mirror import mirror
from rcnet_rt.poses.oks import match, share_of_thresholds
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring import features as feature_sets
from rcnet_rt.rescoring.batch import PoseBatch, concatenate, poses_to_batch
from rcnet_rt.rescoring.feature_groups import of_groups
from rcnet_rt.rescoring.score_reference import ScoreReference

__all__ = [
    "PoseTable",
    "RankingSet",
    "Target",
    "highest_scores",
    "join",
    "ranking_set",
    "select",
    "table",
    "with_reference",
]

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Target = Literal["oks", "share"]

POSES_AT_ONCE = 64  # larger batches cost more: some features compare all pairs of poses
MIN_MATCH = 0.1  # a pose with a lower matched OKS counts as unmatched


@dataclass(frozen=True, eq=False)
class PoseTable:
    """The matched poses of I images, numbered from 0.

    Attributes:
        batches: the packed poses of each image.
        mirrored: the same, mirrored horizontally.
        image_ids: (I,) ids; an augmentation has that of its original.
        entries: for each image, the (N,) indices of its poses in the results that they are from.
        oks: for each image, the (N,) OKS with the matched person, 0 without a match.
        weights: for each image, the (N,) weights in [0, 1].
        augmented: (I,) whether the image is an augmentation of the original before it.
    """

    batches: list[PoseBatch]
    mirrored: list[PoseBatch]
    image_ids: npt.NDArray[np.int64]
    entries: list[npt.NDArray[np.int64]]
    oks: list[Floats]
    weights: list[Floats]
    augmented: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RankingSet:
    """P poses as flat arrays, sorted by image.

    Attributes:
        features: (P, D) float32, not standardized.
        mirrored: (P, D) float32 features of the mirrored poses.
        baseline: (P,) float32 logits of the baseline.
        targets: (P,) float32 in [0, 1].
        weights: (P,) float32 in [0, 1].
        image: (P,) number of the image.
        starts: (I + 1,) first row of each image; the last is P.
        estimator: (I,) number of the estimator that found the image's poses.
    """

    features: Singles
    mirrored: Singles
    baseline: Singles
    targets: Singles
    weights: Singles
    image: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    estimator: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.baseline)


def table(
    ground_truth: GroundTruth,
    poses: Mapping[int, ImagePoses],
    augmentations: Mapping[int, Sequence[AugmentedPoses]] | None = None,
    *,
    floor: float = 0.0,
    max_poses: int = 20,
    unmatched_weight: float = 0.3,
) -> PoseTable:
    """Match the poses of each image to its people, one to one.

    Args:
        ground_truth: the annotated people.
        poses: the estimator's poses by image id; images without ground truth are left out.
        augmentations: its poses on augmentations of these images; each becomes an image of its own,
            after its original.
        floor: poses with a lower raw score are left out.
        max_poses: of the rest, keep this many per image, the highest raw scores first (COCO's 20).
        unmatched_weight: weight in [0, 1] of a pose with a matched OKS below 0.1 on an image whose
            annotations are incomplete, where the pose may still be correct.

    Raises:
        DatasetError: no image has both poses and ground truth.
    """
    chosen = [image_id for image_id in poses if image_id in ground_truth.images]
    if not chosen:
        raise DatasetError(
            "no image of the results has ground truth; give the dataset that they were predicted on"
        )
    seen: list[AugmentedPoses] = []
    augmented: list[bool] = []
    for image_id in chosen:
        others = (augmentations or {}).get(image_id, ())
        seen += [AugmentedPoses(None, poses[image_id]), *others]
        augmented += [False, *[True] * len(others)]
    image_ids = np.array([item.poses.image_id for item in seen])
    result = PoseTable([], [], image_ids, [], [], [], np.array(augmented))
    for item in seen:
        _add(result, ground_truth, item, floor, max_poses, unmatched_weight)
    return result


def with_reference(poses: PoseTable, reference: ScoreReference) -> PoseTable:
    """Return the poses with a reference of the estimator's scores, for expected ranks."""

    def referenced(batches: Sequence[PoseBatch]) -> list[PoseBatch]:
        return [replace(packed, reference=reference) for packed in batches]

    return replace(poses, batches=referenced(poses.batches), mirrored=referenced(poses.mirrored))


def _add(
    result: PoseTable,
    ground_truth: GroundTruth,
    item: AugmentedPoses,
    floor: float,
    max_poses: int,
    unmatched_weight: float,
) -> None:
    """Match the poses of one image or augmentation, and append them."""
    image = ground_truth.images[int(item.poses.image_id)]
    people = ground_truth.persons[image.id]
    kept = highest_scores(item.poses.poses.scores, floor, max_poses)
    here = item.poses.poses[kept]
    as_seen = here
    if item.augmentation is not None:
        people = persons_in_augmentation(item.augmentation, people, (image.width, image.height))
        as_seen = item.augmentation.seen(here)
    skeleton = ground_truth.skeleton
    fit = match(people.oks(here.keypoints, skeleton.sigmas), people.ignore, here.scores)
    reliable = (image.id in ground_truth.complete) | (fit.target >= MIN_MATCH)
    result.batches.append(poses_to_batch(as_seen))
    result.mirrored.append(poses_to_batch(mirror(as_seen, skeleton, image.width)))
    result.entries.append(item.poses.entries[kept])
    result.oks.append(fit.target)
    result.weights.append(fit.weight * np.where(reliable, 1.0, unmatched_weight))


def highest_scores(
    scores: npt.NDArray[np.float32], floor: float, max_poses: int
) -> npt.NDArray[np.int64]:
    """Return the indices of the highest scores of at least `floor`, in ascending order."""
    kept = np.flatnonzero(scores >= floor)
    best = np.argsort(-scores[kept], kind="stable")[:max_poses]
    return np.sort(kept[best])


def ranking_set(
    poses: PoseTable,
    skeleton: Skeleton,
    features: str,
    baseline: str,
    baseline_scale: float,
    target: Target = "oks",
    images: Collection[int] | None = None,
    embedding_size: int = 0,
    without: Collection[str] = (),
) -> RankingSet:
    """Compute features, baseline logits and targets of all images or of those with these numbers.

    Args:
        poses: of all images.
        skeleton: of the poses.
        features: name of the feature set.
        baseline: name of the baseline.
        baseline_scale: value of an unbounded baseline that becomes 0.5.
        target: see `Recipe`.
        images: numbers of the images to include.
        embedding_size: length of the embeddings, for visual features.
        without: groups of features that are unknown (NaN), see `rescoring.feature_groups`.
    """
    hidden = of_groups(features, skeleton, without)
    numbers = range(len(poses.batches)) if images is None else sorted(images)
    counts = np.array([len(poses.oks[number]) for number in numbers])
    compute = feature_sets.get(features).compute

    def matrix(batches: Sequence[PoseBatch]) -> tuple[Singles, Singles]:
        parts = []
        for some in _parts(numbers, counts):
            packed = concatenate([batches[number] for number in some], embedding_size)
            logits = baselines.baseline_logit(baseline, packed, baseline_scale)
            matrix = compute(packed, skeleton, logits)
            matrix[:, hidden] = np.nan
            parts.append((matrix.astype(np.float32), logits.astype(np.float32)))
        matrices, logits = zip(*parts, strict=True)
        return np.concatenate(matrices), np.concatenate(logits)

    seen, logits = matrix(poses.batches)
    mirrored, _ = matrix(poses.mirrored)
    oks = np.concatenate([poses.oks[number] for number in numbers])
    return RankingSet(
        features=seen,
        mirrored=mirrored,
        baseline=logits,
        targets=(share_of_thresholds(oks) if target == "share" else oks).astype(np.float32),
        weights=np.concatenate([poses.weights[number] for number in numbers]).astype(np.float32),
        image=np.repeat(np.arange(len(counts)), counts),
        starts=np.concatenate([[0], np.cumsum(counts)]),
        estimator=np.zeros(len(counts), dtype=np.int64),
    )


def join(sets: Sequence[RankingSet]) -> RankingSet:
    """Return the ranking sets of several estimators as one; each has images of its own."""
    if len(sets) == 1:
        return sets[0]
    counts = [np.diff(part.starts) for part in sets]
    images = np.concatenate(counts)
    return RankingSet(
        **{name: np.concatenate([getattr(part, name) for part in sets]) for name in _COLUMNS},
        image=np.repeat(np.arange(len(images)), images),
        starts=np.concatenate([[0], np.cumsum(images)]),
        estimator=np.repeat(np.arange(len(sets)), [len(part) for part in counts]),
    )


def select(data: RankingSet, images: npt.NDArray[np.int64]) -> RankingSet:
    """Return the ranking set of the images with these numbers, in that order."""
    counts = np.diff(data.starts)[images]
    starts = np.concatenate([[0], np.cumsum(counts)])
    rows = np.arange(starts[-1]) + np.repeat(data.starts[images] - starts[:-1], counts)
    return RankingSet(
        **{name: getattr(data, name)[rows] for name in _COLUMNS},
        image=np.repeat(np.arange(len(images)), counts),
        starts=starts,
        estimator=data.estimator[images],
    )


_COLUMNS = ("features", "mirrored", "baseline", "targets", "weights")  # a row a pose


def _parts(numbers: Sequence[int], counts: npt.NDArray[np.int64]) -> Iterator[list[int]]:
    """Yield numbers of consecutive images with about `POSES_AT_ONCE` poses in total."""
    step = (np.cumsum(counts) - 1) // POSES_AT_ONCE
    for part in np.split(np.asarray(numbers), np.flatnonzero(np.diff(step)) + 1):
        yield part.tolist()
