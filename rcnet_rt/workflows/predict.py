"""An estimator over the images of a data set: COCO results, resumed after an interruption.

Images that are done are kept in <out>.partial, see `datasets.resume`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.datasets.augment import augment
from rcnet_rt.datasets.coco import Dataset, Image
from rcnet_rt.datasets.results import Entry, poses_to_entries, write_results
from rcnet_rt.datasets.resume import Partial, partial_path
from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators import Estimator
from rcnet_rt.estimators.recheck import Recheck
from rcnet_rt.files.writing import check_output_file
from rcnet_rt.poses.frame import Image as Pixels
from rcnet_rt.poses.poses import Poses
from rcnet_rt.refiner import Refiner
from rcnet_rt.video.images import read_image
from rcnet_rt.video.stages import Step, each, run
from rcnet_rt.video.thread_budget import opencv_threads
from rcnet_rt.workflows.dataset import SplitImages, as_dataset, find_images, splits_with_images
from rcnet_rt.workflows.progress import OnProgress, Progress, ignore
from rcnet_rt.workflows.scoring import shipped_weights
from rcnet_rt.workflows.summary import RecheckCost
from rcnet_rt.workflows.workers import Parallelism, Workers, load_workers

__all__ = [
    "FLOOR",
    "PredictedSplit",
    "predict",
    "predict_splits",
]

# The usual floor when COCO's AP is measured: low enough that hardly a true positive is lost, and
# that training sees the duplicates and the background that it must learn to put last.
FLOOR = 0.001


@dataclass(frozen=True)
class PredictedSplit:
    """What was predicted.

    Attributes:
        path: the COCO results.
        split: name of the split.
        images: number of images with predictions.
        missing: number of annotated images that are not here.
        recheck: cost of the rechecks; None without.
        absent: "consensus" and "embedding" where they were asked for and no pose has them.
    """

    path: Path
    split: str
    images: int
    missing: int
    recheck: RecheckCost | None = None
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """What is predicted; only an equal job goes on with partial results.

    Attributes:
        model: as for `estimators.load`.
        split: of the data set.
        floor: poses with a lower raw score are left out.
        augmentations: predict on so many augmentations of each image instead of the image itself.
        candidates: keep the consensus of the NMS candidates where the estimator gives them, see
            `rescoring.nms_consensus`.
        embeddings: keep the features of each pose in the estimator's network, where it gives them.
        recheck: recheck so many poses of each image, see `estimators.recheck`.
        max_det: keep so many poses of each image, the best by raw score; None keeps all.
        imgsz: as for `estimators.load`.
        half: as for `estimators.load`.
    """

    model: str
    split: str
    floor: float = FLOOR
    augmentations: int = 0
    candidates: bool = False
    embeddings: bool = False
    recheck: int = 0
    max_det: int | None = None
    imgsz: int | tuple[int, int] | None = None
    half: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """The job as partial results keep it, with the absolute path of a model file.

        Size and precision of the input are left out where none is chosen, as in older records.
        """
        path = Path(self.model)
        record = asdict(self) | {"model": str(path.resolve()) if path.exists() else self.model}
        if isinstance(self.imgsz, tuple):
            record["imgsz"] = list(self.imgsz)
        for name in ("imgsz", "half"):
            if not record[name]:
                del record[name]
        return record


def predict(
    dataset: Dataset | str | PathLike[str],
    model: str,
    out: str | PathLike[str],
    *,
    split: str | None = None,
    floor: float = FLOOR,
    max_det: int | None = None,
    limit: int | None = None,
    augmentations: int = 0,
    candidates: bool = False,
    embeddings: bool = False,
    recheck: int = 0,
    imgsz: int | tuple[int, int] | None = None,
    half: bool = False,
    device: str = "auto",
    workers: int | None = None,
    threads: int | None = None,
    progress: OnProgress = ignore,
) -> PredictedSplit:
    """Run an estimator over the images of a split and write COCO results with its own scores.

    After an interruption the same call goes on with the images that are left.

    Args:
        dataset: a COCO folder, or a `Dataset`.
        model: as for `estimators.load`; no replay.
        out: results file, gzipped if its name ends in .gz; it appears when all images are done.
        split: None is the usual one, COCO's val2017.
        floor: leave out poses with a lower raw score.
        max_det: keep so many poses of each image, the best by raw score; None keeps all.
        limit: take only the first so many images.
        augmentations: predict on so many augmentations of each image instead of the image itself.
        candidates: add the consensus of the NMS candidates.
        embeddings: add the features of each pose in the estimator's network.
        recheck: re-run the estimator on crops of so many poses of each image.
        imgsz: as for `estimators.load`.
        half: as for `estimators.load`.
        device: "auto", "cpu", "cuda", …
        workers: how many images are estimated at a time, with the same results; None is one a CPU
            where the estimator can, else 1.
        threads: CPUs that they share; None is all that are allowed.
        progress: called at the start, with the images that an earlier run has done, and after each.

    Raises:
        DatasetError: no images, or the partial results of another job.
        EstimatorError: the model cannot be loaded, fails, or has another skeleton.
        SourceError: an image is damaged.
        OutputError: the results cannot be written.
    """
    dataset, out = as_dataset(dataset), Path(out)
    check_output_file(out)
    if model.startswith("replay:"):
        raise EstimatorError(
            f"{model} answers frames in their order, whatever image is asked for; give a model"
        )
    split = split or dataset.usual_split
    job = Job(
        model, split, floor, augmentations, candidates, embeddings, recheck, max_det, imgsz, half
    )
    images = find_images(dataset, split, limit)
    cost = None
    with Partial(partial_path(out), job.record) as partial:
        left = [image for image in images.paths if image not in partial.done]
        total, before = len(images.paths), len(images.paths) - len(left)
        progress(Progress(split, before, total, _start_message(images, split, before)))
        if left:
            loaded = _load(job, device, Parallelism(workers, threads=threads))
            estimating = _with_recheck(loaded, job)
            with (
                opencv_threads(loaded.budget.opencv),
                closing(_predict_images(estimating, images, partial, left, job)) as predicted,
            ):
                for done, _ in enumerate(predicted, before + 1):
                    progress(Progress(split, done, total))
            cost = RecheckCost.of(*(one for one in estimating if isinstance(one, Recheck)))
        entries = [entry for image in images.paths for entry in partial.done[image]]
    write_results(out, entries)
    partial.path.unlink(missing_ok=True)
    asked = {"consensus": candidates, "embedding": embeddings}
    absent = tuple(
        key for key, wanted in asked.items() if wanted and not any(key in e for e in entries)
    )
    return PredictedSplit(out, split, total, images.missing, cost, absent)


def predict_splits(
    dataset: Dataset | str | PathLike[str],
    model: str,
    folder: str | PathLike[str],
    *,
    split: str | None = None,
    max_det: int | None = None,
    embeddings: bool = False,
    device: str = "auto",
    progress: OnProgress = ignore,
) -> list[Path]:
    """Predict what `train` learns from into a folder, and return the results files.

    Splits that are predicted already are not predicted again. Of all of COCO, results without
    `max_det` would be gigabytes.

    Args:
        dataset: a COCO folder, or a `Dataset`.
        model: as for `predict`.
        folder: where the results go; created where it is missing.
        split: this one alone; None is all that have images here.
        max_det: as for `predict`.
        embeddings: as for `predict`.
        device: as for `predict`.
        progress: called as by `predict`.

    Raises:
        RcnetError: as by `predict`, or no split has images.
    """
    dataset, folder = as_dataset(dataset), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for part in [split] if split else splits_with_images(dataset):
        path = folder / f"predictions_{part}.json.gz"
        if not path.exists():
            progress(Progress(part, 0, None, f"{model} predicts {part} …"))
            predict(
                dataset,
                model,
                path,
                split=part,
                candidates=True,
                embeddings=embeddings,
                max_det=max_det,
                device=device,
                progress=lambda step: progress(replace(step, message="")),
            )
        paths.append(path)
    return paths


def _predict_images(
    workers: Sequence[Estimator],
    split_images: SplitImages,
    partial: Partial,
    images: Iterable[int],
    job: Job,
) -> Generator[int, None, None]:
    """Predict some images, or their augmentations, in order; yield the id of each.

    Raises:
        EstimatorError: the estimator fails, or its skeleton is not the dataset's.
        SourceError: an image is damaged.
    """
    truth, estimator = split_images.ground_truth, workers[0]
    if estimator.skeleton.keypoints != truth.skeleton.keypoints:
        raise EstimatorError(
            f"{estimator.name} gives {estimator.skeleton.name} poses, the dataset has "
            f"{truth.skeleton.name}; choose another model"
        )

    def read(image: int) -> tuple[Image, Pixels]:
        return truth.images[image], read_image(split_images.paths[image])

    def predicted(worker: Estimator) -> Callable[[tuple[Image, Pixels]], tuple[int, list[Entry]]]:
        return lambda item: (item[0].id, _entries(worker, *item, truth.category_id, job))

    steps = [
        Step("read", [each(read)]),
        Step("estimate", [each(predicted(worker)) for worker in workers]),
    ]
    with closing(run(images, steps)) as results:
        for image, entries in results:
            partial.add(image, entries)
            yield image


def _load(job: Job, device: str, parallelism: Parallelism) -> Workers:
    return load_workers(
        job.model,
        parallelism,
        parallelism.budget(),
        floor=job.floor,
        device=device,
        embeddings=job.embeddings,
        imgsz=job.imgsz,
        half=job.half,
    )


def _with_recheck(workers: Workers, job: Job) -> Sequence[Estimator]:
    """Return the estimators, each with rechecks where they are asked for."""
    if job.recheck == 0:
        return workers.estimators
    refine = partial(Refiner(shipped_weights(workers.first.family)), on_error="drop")
    return [Recheck(estimator, refine, job.recheck) for estimator in workers.estimators]


def _entries(
    estimator: Estimator, image: Image, image_bgr: Pixels, category: int, job: Job
) -> list[Entry]:
    """Return what is written of an image, or of its augmentations."""
    if job.augmentations:
        return _augmented_entries(estimator, image_bgr, image, category, job)
    return poses_to_entries(_estimated(estimator, image_bgr, job), image.written_id, category)


def _estimated(estimator: Estimator, image_bgr: Pixels, job: Job) -> Poses:
    poses = estimator.estimate(image_bgr)
    poses = poses[np.sort(np.argsort(-poses.scores, kind="stable")[: job.max_det])]
    if not job.candidates:
        poses = replace(poses, consensus=None)
    return poses if job.embeddings else replace(poses, embeddings=None)


def _augmented_entries(
    estimator: Estimator, image_bgr: Pixels, image: Image, category: int, job: Job
) -> list[Entry]:
    entries = []
    for number in range(job.augmentations):
        altered, augmentation = augment(image_bgr, number, (image.id,))
        poses = augmentation.original(_estimated(estimator, altered, job))
        entries += [
            {**entry, "copy": augmentation.written()}
            for entry in poses_to_entries(poses, image.written_id, category)
        ]
    return entries


def _start_message(images: SplitImages, split: str, before: int) -> str:
    missing = f"; {images.missing:,} have no image here" if images.missing else ""
    continued = f"; going on after {before:,}" if before else ""
    return f"{len(images.paths):,} images of {split}{missing}{continued}"
