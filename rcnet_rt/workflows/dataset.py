"""The data set that a workflow is given, and the images of it that are here."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from rcnet_rt.datasets.coco import Dataset, GroundTruth, Image
from rcnet_rt.errors import DatasetError

__all__ = ["SplitImages", "as_dataset", "find_images", "splits_with_images"]


@dataclass(frozen=True, eq=False)
class SplitImages:
    """The images of a split.

    Attributes:
        paths: file by image id, for those that are here, in the order of the annotations.
        missing: number of annotated images that are not here.
        ground_truth: of the whole split.
    """

    paths: dict[int, Path]
    missing: int
    ground_truth: GroundTruth


def as_dataset(dataset: Dataset | str | PathLike[str]) -> Dataset:
    """Return a data set as it is, and a folder as a COCO data set.

    `datasets.crowdpose.crowdpose` opens a CrowdPose folder.

    >>> as_dataset("coco").root.name
    'coco'
    """
    return dataset if isinstance(dataset, Dataset) else Dataset(Path(dataset))


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


def splits_with_images(dataset: Dataset) -> list[str]:
    """Return the splits that have images here.

    Raises:
        DatasetError: none has.
    """
    found, errors = [], []
    for part in dataset.splits():
        try:
            find_images(dataset, part)
            found.append(part)
        except DatasetError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    return found


def _path(dataset: Dataset, image: Image) -> Path | None:
    try:
        return dataset.image_path(image)
    except DatasetError:
        return None
