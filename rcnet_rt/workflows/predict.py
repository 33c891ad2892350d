"""An estimator over the images of a dataset: COCO results that survive an interruption.

The same job goes on with what it left, see `datasets.resume`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt import estimators
from rcnet_rt.datasets.augment import augment
from rcnet_rt.datasets.coco import Dataset, GroundTruth, Image
from rcnet_rt.datasets.pose_objects import signals_of
from rcnet_rt.datasets.results import Entry, write_results
from rcnet_rt.datasets.resume import Partial, partial_path
from rcnet_rt.errors import DatasetError, EstimatorError
from rcnet_rt.estimators import EmbeddingEstimator, Estimator
from rcnet_rt.estimators.recheck import Recheck
from rcnet_rt.poses.poses import Poses
from rcnet_rt.refiner import Refiner
from rcnet_rt.video.images import read_image

__all__ = [
    "FLOOR",
    "Job",
    "SplitImages",
    "poses_to_entries",
    "find_images",
    "predict",
    "predict_split",
]

# What COCO's AP is customarily measured with: low enough that hardly a right pose is lost, and that
# training sees the duplicates and the background that it must learn to put last.
FLOOR = 0.001

FOUND = 2.0  # third value of a joint where the estimator gives no confidence: a flag


@dataclass(frozen=True)
class Job:
    """What is predicted; only an equal job goes on with partial results.

    Attributes:
        model: what --model said, a path made absolute.
        split: of the dataset.
        floor: poses with a lower raw score are not kept.
        augmentations: predict on so many altered copies of each image instead of the image itself.
        candidates: keep the consensus of the candidates where the estimator shows them, see
            `rescoring.nms_consensus`.
        embeddings: keep what the estimator's network saw of each pose, where it shows it.
        recheck: look again at so many poses of each image, see `estimators.recheck`.
        most: keep so many poses of each image, the best by raw score; None keeps all.
    """

    model: str
    split: str
    floor: float = FLOOR
    augmentations: int = 0
    candidates: bool = False
    embeddings: bool = False
    recheck: int = 0
    most: int | None = None

    @property
    def record(self) -> dict[str, Any]:
        """What partial results say of it: the model's path whatever folder it is seen from."""
        path = Path(self.model)
        return asdict(self) | {"model": str(path.resolve()) if path.exists() else self.model}


@dataclass(frozen=True, eq=False)
class SplitImages:
    """The images of a split.

    Attributes:
        paths: file by image id, for those that are here, in the order of the annotations.
        missing: how many are annotated and not here.
        ground_truth: of the whole split.
    """

    paths: dict[int, Path]
    missing: int
    ground_truth: GroundTruth


def find_images(dataset: Dataset, split: str, limit: int | None = None) -> SplitImages:
    """Return the images of a split, the first `limit` of those that are here.

    Raises:
        DatasetError: no annotations, an unknown split, or not one image is here.
    """
    ground_truth = dataset.ground_truth(split)
    found = {
        image.id: path
        for image in ground_truth.images.values()
        if (path := _path(dataset, image)) is not None
    }
    if not found:
        raise DatasetError(
            f"none of the {len(ground_truth.images)} images of {split} is in "
            f"{' or '.join(map(str, dataset.image_folders(split)))}; put the images there"
        )
    missing = len(ground_truth.images) - len(found)
    return SplitImages(dict(list(found.items())[:limit]), missing, ground_truth)


def _path(dataset: Dataset, image: Image) -> Path | None:
    try:
        return dataset.image_path(image)
    except DatasetError:
        return None


def predict(
    estimator: Estimator,
    split_images: SplitImages,
    partial: Partial,
    images: Iterable[int],
    job: Job,
) -> Iterator[int]:
    """Predict some images, or copies of them, one by one; yield the id of each that is done.

    Raises:
        EstimatorError: the estimator fails, or its skeleton is not the dataset's.
        SourceError: an image is damaged.
    """
    truth = split_images.ground_truth
    if estimator.skeleton.keypoints != truth.skeleton.keypoints:
        raise EstimatorError(
            f"{estimator.name} gives {estimator.skeleton.name} poses, the dataset has "
            f"{truth.skeleton.name}; choose another model"
        )
    for image in images:
        image_bgr = read_image(split_images.paths[image])
        if job.augmentations:
            entries = _augmented_entries(estimator, image_bgr, image, truth.category_id, job)
        else:
            poses = _estimated(estimator, image_bgr, job)
            entries = poses_to_entries(poses, image, truth.category_id)
        partial.add(image, entries)
        yield image


def _estimator(job: Job, device: str) -> Estimator:
    estimator = estimators.load(job.model, floor=job.floor, device=device)
    if job.embeddings and isinstance(estimator, EmbeddingEstimator):
        estimator.show_embeddings()
    if job.recheck == 0:
        return estimator
    refine = partial(Refiner(estimator.family), on_error="drop")
    return Recheck(estimator, refine, job.recheck)


def _estimated(estimator: Estimator, image_bgr: npt.NDArray[np.uint8], job: Job) -> Poses:
    poses = estimator.estimate(image_bgr)
    poses = poses[np.sort(np.argsort(-poses.scores, kind="stable")[: job.most])]
    if not job.candidates:
        poses = replace(poses, consensus=None)
    return poses if job.embeddings else replace(poses, embeddings=None)


def _augmented_entries(
    estimator: Estimator, image_bgr: npt.NDArray[np.uint8], image: int, category: int, job: Job
) -> list[Entry]:
    entries = []
    for number in range(job.augmentations):
        altered, augmentation = augment(image_bgr, number, (image,))
        poses = augmentation.original(_estimated(estimator, altered, job))
        entries += [
            {**entry, "copy": augmentation.written()}
            for entry in poses_to_entries(poses, image, category)
        ]
    return entries


def poses_to_entries(poses: Poses, image_id: int, category_id: int = 1) -> list[Entry]:
    """Return COCO results of the poses of an image: raw scores, unrounded, boxes x, y, w, h.

    A joint that was not found is 0, 0, 0. Without joint scores the third value is the flag 2.
    """
    found = poses.found[..., None]
    third = poses.keypoint_scores
    confidence = np.full(poses.found.shape, FOUND) if third is None else third.astype(np.float64)
    joints = np.concatenate([poses.keypoints.astype(np.float64), confidence[..., None]], axis=2)
    keypoints = [pose.ravel().tolist() for pose in np.where(found, joints, 0.0)]
    entries: list[Entry] = [
        {
            "image_id": image_id,
            "category_id": category_id,
            "keypoints": row,
            "score": score,
        }
        for row, score in zip(keypoints, poses.scores.tolist(), strict=True)
    ]
    if poses.boxes is not None:
        boxes = poses.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        for entry, box in zip(entries, boxes.tolist(), strict=True):
            entry["bbox"] = box
    for index, entry in enumerate(entries):
        entry |= signals_of(poses, index)
    return entries


def predict_split(
    dataset: Dataset,
    job: Job,
    out: Path,
    *,
    device: str = "auto",
    limit: int | None = None,
    on_start: Callable[[SplitImages, int], None] | None = None,
    on_image: Callable[[int], None] | None = None,
    on_recheck: Callable[[Recheck], None] | None = None,
) -> SplitImages:
    """Run a model over the images of a split and write COCO results; return the images.

    Args:
        dataset: whose images.
        job: what is predicted; no replay.
        out: results file, gzipped if its name ends in .gz; it appears when all is done.
        device: "auto", "cpu", "cuda", …
        limit: take only so many images.
        on_start: called with the images and how many of them an earlier run has done.
        on_image: called with the image id of each image that is done.
        on_recheck: called at the end with what took rechecks, if any were asked for.

    Raises:
        DatasetError: no images, or the partial results of another job.
        EstimatorError: the model cannot be loaded or fails, see `predict`.
        SourceError: an image is damaged.
        OutputError: the results cannot be written.
    """
    if job.model.startswith("replay:"):
        raise EstimatorError(
            f"{job.model} answers frames in their order, whatever image is asked for; give a model"
        )
    split_images = find_images(dataset, job.split, limit)
    with Partial(partial_path(out), job.record) as partial:
        left = [image for image in split_images.paths if image not in partial.done]
        if on_start is not None:
            on_start(split_images, len(split_images.paths) - len(left))
        if left:
            estimator = _estimator(job, device)
            for image in predict(estimator, split_images, partial, left, job):
                if on_image is not None:
                    on_image(image)
            if on_recheck is not None and isinstance(estimator, Recheck):
                on_recheck(estimator)
        entries = [entry for image in split_images.paths for entry in partial.done[image]]
    write_results(out, entries)
    partial.path.unlink(missing_ok=True)
    return split_images
