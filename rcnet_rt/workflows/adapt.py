"""Weights for an estimator without labels: from its poses of images and of augmentations of them.

An interrupted `adapt` has written nothing and begins anew; `predict` and `predict --augmentations`,
which go on where they stopped, make the files that `adapt_results` takes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np

from rcnet_rt.datasets.augment import AugmentedPoses, augment
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.files import write_bytes
from rcnet_rt.datasets.ids import ImageId
from rcnet_rt.datasets.results import ImagePoses
from rcnet_rt.errors import DatasetError, EstimatorError
from rcnet_rt.estimators import Estimator
from rcnet_rt.files.writing import check_output_file
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.adaptation import adapt_weights, card
from rcnet_rt.training.model_card import MAX_IMAGES_LISTED
from rcnet_rt.training.parallel import one_thread
from rcnet_rt.video.sampling import SampledImages
from rcnet_rt.video.stages import Step, each, run
from rcnet_rt.video.thread_budget import opencv_threads
from rcnet_rt.workflows.dataset import as_dataset
from rcnet_rt.workflows.predict import FLOOR
from rcnet_rt.workflows.progress import OnProgress, Progress, ignore
from rcnet_rt.workflows.training_data import Paths, estimator_files, load_data
from rcnet_rt.workflows.workers import Parallelism, load_workers

__all__ = ["AUGMENTATIONS", "MAX_IMAGES", "AdaptedWeights", "adapt", "adapt_results"]

AUGMENTATIONS = 4
MAX_IMAGES = 500

Estimated = tuple[ImagePoses, list[AugmentedPoses]]


@dataclass(frozen=True, eq=False)
class AdaptedWeights:
    """What came of an adaptation.

    Attributes:
        weights: with a threshold "auto".
        weights_file: where they are.
        card_file: where their model card is.
        images: number of images that they were trained on.
        poses: number of poses on these that they were trained on.
    """

    weights: Weights
    weights_file: Path
    card_file: Path
    images: int
    poses: int


def adapt(
    sources: str | Sequence[str],
    model: str = "yolo-pose",
    *,
    out: str | PathLike[str],
    augmentations: int = AUGMENTATIONS,
    max_images: int = MAX_IMAGES,
    imgsz: int | tuple[int, int] | None = None,
    half: bool = False,
    device: str = "auto",
    workers: int | None = None,
    threads: int | None = None,
    progress: OnProgress = ignore,
) -> AdaptedWeights:
    """Train weights for an estimator on images without labels, and write them with their card.

    The estimator runs on each image and on augmentations of it; true poses are found again,
    hallucinations usually are not. An interruption loses what was estimated.

    Args:
        sources: images, videos, folders or globs such as the estimator will see; one or several.
        model: as for `estimators.load`; no replay.
        out: the weights file, NAME.safetensors; the card is NAME.md beside it.
        augmentations: of each image.
        max_images: take at most so many images and frames, at even distances.
        imgsz: as for `estimators.load`.
        half: as for `estimators.load`.
        device: of the estimator: "auto", "cpu", "cuda", …
        workers: how many images are estimated at a time; None is one a CPU where the estimator can.
        threads: CPUs that they share; None is all that are allowed.
        progress: called after each image.

    Raises:
        SourceError: a source is missing, damaged, or a camera or stream.
        EstimatorError: the model cannot be loaded, or fails.
        DatasetError: too few images with poses, or raw scores that cannot be learned from so.
        OutputError: the files cannot be written.
    """
    out = _checked_out(out)
    if model.startswith("replay:"):
        raise EstimatorError(f"{model} cannot estimate augmentations of images; give a model")
    images = SampledImages([sources] if isinstance(sources, str) else sources, max_images)
    parallelism = Parallelism(workers, threads=threads)
    loaded = load_workers(
        model,
        parallelism,
        parallelism.budget(),
        floor=FLOOR,
        device=device,
        imgsz=imgsz,
        half=half,
    )
    steps = [Step("estimate", [each(_estimate(one, augmentations)) for one in loaded.estimators])]
    found: list[Estimated] = []
    task = f"{len(images):,} of {images.total:,} images"
    with opencv_threads(loaded.budget.opencv), closing(run(enumerate(images), steps)) as results:
        for done, estimated in enumerate(results, 1):
            found.append(estimated)
            progress(Progress(task, done, len(images)))
    poses: dict[ImageId, ImagePoses] = {item.image_id: item for item, _ in found}
    on_augmentations = {item.image_id: others for item, others in found}
    data = [f"{loaded.first.name}, {augmentations} augmentations of each image"]
    with one_thread():
        weights = adapt_weights(poses, on_augmentations, loaded.first.skeleton, name=out.stem)
    return _write(weights, out, data=data)


def adapt_results(
    dataset: Dataset | str | PathLike[str],
    predictions: Paths,
    augmented: Paths,
    *,
    out: str | PathLike[str],
) -> AdaptedWeights:
    """Train weights without labels on results that are there, and write them with their card.

    Args:
        dataset: a COCO folder, or a `Dataset`: of its annotations only the sizes of the images are
            read.
        predictions: COCO results of the estimator, one file or several.
        augmented: results on augmentations of these images, of `predict` with `augmentations`.
        out: as for `adapt`.

    Raises:
        DatasetError: as by `adapt`, a damaged file, or augmentations of other images.
        OutputError: the files cannot be written.
    """
    out = _checked_out(out)
    (files,) = estimator_files(predictions, augmented, ())
    data = load_data(as_dataset(dataset), files.results, files.augmentations)
    if data.poses.keys().isdisjoint(data.augmentations):
        raise DatasetError(
            "the augmentations are of none of the images of the predictions; give results of "
            "`rcnet-rt predict --augmentations` on the same images"
        )
    names = [path.name for path in (*files.results, *files.augmentations)]
    with one_thread():
        weights = adapt_weights(
            data.poses, data.augmentations, data.ground_truth.skeleton, name=out.stem
        )
    return _write(weights, out, data=names, images=data.poses.keys() & data.augmentations.keys())


def _checked_out(out: str | PathLike[str]) -> Path:
    """Return the weights file; check that it and its card can be written."""
    out = Path(out)
    check_output_file(out, {weights_io.SUFFIX})
    check_output_file(out.with_suffix(".md"))
    return out


def _estimate(estimator: Estimator, augmentations: int) -> Callable[[tuple[int, Image]], Estimated]:
    """Return what estimates a numbered image and its augmentations."""

    def estimate(item: tuple[int, Image]) -> Estimated:
        number, image = item
        poses = _image_poses(number, estimator.estimate(image), image)
        others = []
        for which in range(augmentations):
            altered, augmentation = augment(image, which, (number,))
            found = augmentation.original(estimator.estimate(altered))
            others.append(AugmentedPoses(augmentation, _image_poses(number, found, image)))
        return poses, others

    return estimate


def _image_poses(number: int, poses: Poses, image: Image) -> ImagePoses:
    sized = replace(poses, image_size=(image.shape[1], image.shape[0]))
    return ImagePoses(number, sized, np.arange(len(poses)))


def _write(
    weights: Weights, out: Path, *, data: Sequence[str], images: Collection[int] = ()
) -> AdaptedWeights:
    """Write the weights and their card.

    Args:
        weights: of `adapt_weights`.
        out: the weights file.
        data: what the poses are from, for the record.
        images: ids by which `eval` knows the images again.
    """
    listed = sorted(images) if len(images) <= MAX_IMAGES_LISTED else []
    training = {**weights.training, "data": list(data), "images": listed}
    weights, card_file = replace(weights, training=training), out.with_suffix(".md")
    weights_io.save(weights, out)
    write_bytes(card_file, card(weights).encode())
    return AdaptedWeights(weights, out, card_file, training["image_count"], training["pose_count"])
