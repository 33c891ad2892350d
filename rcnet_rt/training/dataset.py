"""What a network learns from: the poses of many images with their features, bases and targets."""

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
from rcnet_rt.poses.oks import match, share_of_thresholds
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring import features as feature_sets
from rcnet_rt.rescoring.batch import PoseBatch, concatenate, poses_to_batch

__all__ = ["PoseTable", "RankingSet", "Target", "mirror", "ranking_set", "table"]

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Target = Literal["oks", "share"]

POSES_AT_ONCE = 64  # more at once cost more: some features compare all with all
NEAR = 0.1  # a matched OKS below it is no match worth the name


@dataclass(frozen=True, eq=False)
class PoseTable:
    """The poses of many images with what is right about them; images by number from 0.

    Attributes:
        batches: the packed poses of each image.
        mirrored: the same, seen in a mirror.
        image_ids: (I,) ids; a copy has that of its original.
        entries: for each image, the places of its poses in the results (of copies, in theirs).
        oks: for each image, (N,) OKS with the matched person, 0 where there is none.
        weights: for each image, (N,) how much a pose counts.
    """

    batches: list[PoseBatch]
    mirrored: list[PoseBatch]
    image_ids: npt.NDArray[np.int64]
    entries: list[npt.NDArray[np.int64]]
    oks: list[Floats]
    weights: list[Floats]


@dataclass(frozen=True, eq=False)
class RankingSet:
    """P poses as flat arrays, sorted by image.

    Attributes:
        features: (P, D) float32, not standardised.
        mirrored: (P, D) float32, of the mirrored poses.
        baseline: (P,) float32 logits of the baseline score.
        targets: (P,) float32 in [0, 1].
        weights: (P,) float32.
        image: (P,) number of the image.
        starts: (I + 1,) where each image's poses begin; the last is P.
    """

    features: Singles
    mirrored: Singles
    baseline: Singles
    targets: Singles
    weights: Singles
    image: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.baseline)


def table(
    ground_truth: GroundTruth,
    poses: Mapping[int, ImagePoses],
    augmentations: Mapping[int, Sequence[AugmentedPoses]] | None = None,
    *,
    floor: float = 0.0,
    most: int = 20,
    unsure: float = 0.3,
) -> PoseTable:
    """Match the poses of each image to its people, one to one.

    Args:
        ground_truth: the people.
        poses: the estimator's poses by image id; images without ground truth are left out.
        augmentations: its poses on augmentations of these images; each becomes an image of its own,
            after its original.
        floor: poses with a raw score below it are left out.
        most: of the rest, only this many of each image, the best by raw score (COCO's 20).
        unsure: weight of a pose with (almost) no match on an image that is not completely
            annotated, where it may be right after all.

    Raises:
        DatasetError: no image has both poses and ground truth.
    """
    chosen = [image_id for image_id in poses if image_id in ground_truth.images]
    if not chosen:
        raise DatasetError(
            "no image of the results has ground truth; were they made on other data?"
        )
    seen: list[AugmentedPoses] = []
    for image_id in chosen:
        seen += [AugmentedPoses(None, poses[image_id]), *(augmentations or {}).get(image_id, ())]
    result = PoseTable([], [], np.array([item.poses.image_id for item in seen]), [], [], [])
    for item in seen:
        _add(result, ground_truth, item, floor, most, unsure)
    return result


def _add(
    result: PoseTable,
    ground_truth: GroundTruth,
    item: AugmentedPoses,
    floor: float,
    most: int,
    unsure: float,
) -> None:
    image = ground_truth.images[int(item.poses.image_id)]
    people = ground_truth.persons[image.id]
    kept = _best(item.poses.poses.scores, floor, most)
    here = item.poses.poses[kept]
    as_seen = here
    if item.augmentation is not None:
        people = persons_in_augmentation(item.augmentation, people, (image.width, image.height))
        as_seen = item.augmentation.seen(here)
    skeleton = ground_truth.skeleton
    fit = match(people.oks(here.keypoints, skeleton.sigmas), people.ignore, here.scores)
    sure = (image.id in ground_truth.complete) | (fit.target >= NEAR)
    result.batches.append(poses_to_batch(as_seen))
    result.mirrored.append(poses_to_batch(mirror(as_seen, skeleton, image.width)))
    result.entries.append(item.poses.entries[kept])
    result.oks.append(fit.target)
    result.weights.append(fit.weight * np.where(sure, 1.0, unsure))


def _best(scores: npt.NDArray[np.float32], floor: float, most: int) -> npt.NDArray[np.int64]:
    kept = np.flatnonzero(scores >= floor)
    best = np.argsort(-scores[kept], kind="stable")[:most]
    return np.sort(kept[best])


def mirror(poses: Poses, skeleton: Skeleton, width: float) -> Poses:
    """Return the poses as a mirror shows them: x becomes width - x, left and right change names."""
    order = list(skeleton.flip_order)
    keypoints = poses.keypoints[:, order].copy()
    keypoints[..., 0] = width - keypoints[..., 0]
    boxes = None
    if poses.boxes is not None:
        boxes = poses.boxes[:, [2, 1, 0, 3]].copy()
        boxes[:, [0, 2]] = width - boxes[:, [0, 2]]
    joint_scores = None if poses.keypoint_scores is None else poses.keypoint_scores[:, order]
    return replace(poses, keypoints=keypoints, boxes=boxes, keypoint_scores=joint_scores)


def ranking_set(
    poses: PoseTable,
    skeleton: Skeleton,
    features: str,
    baseline: str,
    baseline_scale: float,
    target: Target = "oks",
    images: Collection[int] | None = None,
    embedding_size: int = 0,
) -> RankingSet:
    """Compute features, base logits and targets, of all images or of those with these numbers.

    For visual features, `embedding_size` is how many values an embedding has.
    """
    numbers = range(len(poses.batches)) if images is None else sorted(images)
    counts = np.array([len(poses.oks[number]) for number in numbers])
    compute = feature_sets.get(features).compute

    def matrix(batches: Sequence[PoseBatch]) -> tuple[Singles, Singles]:
        parts = []
        for some in _parts(numbers, counts):
            packed = concatenate([batches[number] for number in some], embedding_size)
            logits = baselines.baseline_logit(baseline, packed, baseline_scale)
            matrix = compute(packed, skeleton, logits)
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
    )


def _parts(numbers: Sequence[int], counts: npt.NDArray[np.int64]) -> Iterator[list[int]]:
    """Yield the numbers of images in a row that have about `POSES_AT_ONCE` poses together."""
    step = (np.cumsum(counts) - 1) // POSES_AT_ONCE
    for part in np.split(np.asarray(numbers), np.flatnonzero(np.diff(step)) + 1):
        yield part.tolist()
