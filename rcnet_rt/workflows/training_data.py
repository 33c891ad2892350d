"""The estimators that a training is given: their results files, and their labeled results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from rcnet_rt.datasets.augment import last_of_each_augmentation
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.ground_truth import GroundTruth
from rcnet_rt.datasets.ids import ImageId
from rcnet_rt.datasets.results import Entry, read_results
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.labeled_results import LabeledResults

__all__ = [
    "UNNAMED",
    "EstimatorFiles",
    "FilesByEstimator",
    "Paths",
    "estimator_files",
    "load_data",
    "load_estimators",
]

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]
FilesByEstimator = Paths | Mapping[str, Paths]

UNNAMED = ""  # name of the estimator whose files are given without a name


@dataclass(frozen=True)
class EstimatorFiles:
    """The files of one estimator.

    Attributes:
        name: of the estimator; "" if it has none.
        results: COCO results.
        augmentations: results on augmentations of the same images.
        is_left_out: whether it is judged only, and not trained on.
    """

    name: str
    results: tuple[Path, ...]
    augmentations: tuple[Path, ...] = ()
    is_left_out: bool = False


def estimator_files(
    predictions: FilesByEstimator, augmentations: FilesByEstimator, leave_out: Collection[str]
) -> tuple[EstimatorFiles, ...]:
    """Return the files of each estimator, sorted by name.

    Raises:
        DatasetError: a name that no file may have, augmentations or `leave_out` of an estimator
            without predictions, or none is left to train on.
    """
    results, others = _by_name(predictions), _by_name(augmentations)
    for name in results:
        if name != UNNAMED and Path(name).name != name:
            raise DatasetError(f"the estimator's name {name!r} is no file name; choose another")
    known = ", ".join(map(repr, sorted(results)))
    for name in [*others, *leave_out]:
        if name not in results:
            raise DatasetError(
                f"no predictions are of an estimator {name!r}, only of {known}; give the "
                "predictions, the augmentations and what to leave out the same names"
            )
    if results.keys() <= set(leave_out):
        raise DatasetError(
            "every estimator is left out, so that there is none to train on; give predictions of "
            "another one"
        )
    return tuple(
        EstimatorFiles(name, results[name], others.get(name, ()), name in leave_out)
        for name in sorted(results)
    )


def _by_name(files: FilesByEstimator) -> dict[str, tuple[Path, ...]]:
    if isinstance(files, Mapping):
        return {name: _paths(some) for name, some in files.items()}
    paths = _paths(files)
    return {UNNAMED: paths} if paths else {}


def _paths(files: Paths) -> tuple[Path, ...]:
    if isinstance(files, (str, PathLike)):
        return (Path(files),)
    return tuple(Path(file) for file in files)


def load_data(
    dataset: Dataset, results: Sequence[Path], augmentations: Sequence[Path] = ()
) -> LabeledResults:
    """Read an estimator's results files, one after the other, with the ground truth of the images.

    `augmentations` are results on augmentations of these images. Of an augmentation that is in
    several files the last one counts, so that some may have more signals than others.

    Raises:
        DatasetError: a damaged file, an image in two of them, or none that has ground truth.
    """
    files = EstimatorFiles(UNNAMED, tuple(results), tuple(augmentations))
    return load_estimators(dataset, [files])[UNNAMED]


def load_estimators(
    dataset: Dataset, estimators: Sequence[EstimatorFiles]
) -> dict[str, LabeledResults]:
    """Read the results of each estimator, with the ground truth of its images; see `load_data`."""
    entries = {files.name: _read(files.results) for files in estimators}
    seen = {entry["image_id"] for some in entries.values() for entry in some}
    ground_truth = dataset.ground_truth(image_ids=seen)
    return {
        files.name: LabeledResults(
            _of_entries(ground_truth, entries[files.name]),
            entries[files.name],
            last_of_each_augmentation([read_results(path) for path in files.augmentations]),
        )
        for files in estimators
    }


def _read(results: Sequence[Path]) -> list[Entry]:
    entries: list[Entry] = []
    seen: dict[ImageId, Path] = {}
    for path in results:
        part = read_results(path)
        for image in {entry["image_id"] for entry in part}:
            if image in seen:
                raise DatasetError(
                    f"image {image} is in both {seen[image]} and {path}; give the poses of an "
                    "image once"
                )
            seen[image] = path
        entries += part
    return entries


def _of_entries(ground_truth: GroundTruth, entries: Sequence[Entry]) -> GroundTruth:
    """Return the ground truth of the images that entries name."""
    found = {ground_truth.find(image) for image in {entry["image_id"] for entry in entries}}
    return ground_truth.subset({image for image in found if image is not None})
