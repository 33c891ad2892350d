"""Annotated images and the people on them, as frozen arrays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.ids import ImageId, ImageIndex
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.oks import oks
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["GroundTruth", "Image", "Persons", "check_category", "match_ids"]


@dataclass(frozen=True)
class Image:
    """One image of a dataset.

    Attributes:
        id: a whole number; where the annotation file has text, the number that stands for it.
        file_name: of the image, under the image folder.
        width: in pixels.
        height: in pixels.
        split: the split that lists it.
        crowd_index: CrowdPose's: how much people occlude each other, from 0; None elsewhere.
        original_id: as the annotation file has it; None where it is `id`.
    """

    id: int
    file_name: str
    width: int
    height: int
    split: str
    crowd_index: float | None = None
    original_id: ImageId | None = None

    @property
    def names(self) -> tuple[ImageId, ...]:
        """What results may call it: its id, or the name of its file."""
        return self.id, self.written_id, self.file_name

    @property
    def written_id(self) -> ImageId:
        """The id that the annotation file has, and results are to have."""
        return self.id if self.original_id is None else self.original_id


@dataclass(frozen=True, eq=False)
class Persons:
    """The G annotated people of one image, in file order; read-only arrays in image pixels.

    Attributes:
        keypoints: (G, K, 2) x and y; (0, 0) where not labelled.
        visible: (G, K) whether the joint is labelled (COCO's visibility 1 or 2).
        occluded: (G, K) whether it is labelled as occluded (COCO's visibility 1).
        areas: (G,) square pixels of the person (COCO: of the segmentation).
        boxes: (G, 4) x1, y1, x2, y2.
        iscrowd: (G,) whether it is a region of many people.
        ignore: (G,) whether COCO does not count it: a crowd, or no joint is labelled.
        annotation_ids: (G,) ids in the annotation file, as whole numbers.
    """

    keypoints: npt.NDArray[np.float64]
    visible: npt.NDArray[np.bool_]
    occluded: npt.NDArray[np.bool_]
    areas: npt.NDArray[np.float64]
    boxes: npt.NDArray[np.float64]
    iscrowd: npt.NDArray[np.bool_]
    ignore: npt.NDArray[np.bool_]
    annotation_ids: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        for field in fields(self):
            getattr(self, field.name).flags.writeable = False

    def __len__(self) -> int:
        return len(self.areas)

    def __getitem__(self, index: Any) -> Persons:
        """Return the people that a slice or a boolean mask selects."""
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def oks(self, keypoints: npt.ArrayLike, sigmas: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the (N, G) OKS of (N, K, 2) keypoints with these people."""
        return oks(keypoints, self.keypoints, self.visible, self.areas, self.boxes, sigmas)


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Images and the people on them.

    Attributes:
        skeleton: of the annotated keypoints.
        images: by image id.
        persons: by image id; every image has an entry, of length 0 where nobody is annotated.
        complete: ids of the images whose crowds and people without keypoints are annotated too. On
            the others a correct pose of such a person counts as a false positive, so that they are
            reported separately.
        category_id: of a person.
    """

    skeleton: Skeleton
    images: dict[int, Image]
    persons: dict[int, Persons]
    complete: frozenset[int]
    category_id: int = 1

    @property
    def image_sizes(self) -> dict[int, tuple[int, int]]:
        """(width, height) in pixels by image id."""
        return {image.id: (image.width, image.height) for image in self.images.values()}

    @cached_property
    def _index(self) -> tuple[list[int], ImageIndex]:
        return list(self.images), ImageIndex(image.names for image in self.images.values())

    def find(self, image_id: ImageId) -> int | None:
        """Return the id of the image that results call `image_id`, None where there is none.

        Results may have the id, its text, or the name of the image's file.

        Raises:
            DatasetError: it is the name of several images.
        """
        if isinstance(image_id, int) and image_id in self.images:
            return image_id
        ids, index = self._index
        position = index.find(image_id)
        return None if position is None else ids[position]

    def oks(self, image_id: int, keypoints: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the (N, G) OKS of (N, K, 2) keypoints with the people of an image."""
        return self.persons[image_id].oks(keypoints, self.skeleton.sigmas)

    def subset(self, image_ids: Collection[int]) -> GroundTruth:
        """Return the ground truth of those of the images that it has."""
        wanted = set(image_ids)
        kept = [image_id for image_id in self.images if image_id in wanted]
        return replace(
            self,
            images={image_id: self.images[image_id] for image_id in kept},
            persons={image_id: self.persons[image_id] for image_id in kept},
            complete=self.complete.intersection(kept),
        )


def match_ids(entries: Sequence[dict[str, Any]], ground_truth: GroundTruth) -> list[dict[str, Any]]:
    """Return the entries with the image ids of the ground truth, where results have names or text.

    Raises:
        DatasetError: a name is that of several images.
    """
    known = {entry["image_id"] for entry in entries}
    ids = {image_id: ground_truth.find(image_id) for image_id in known}
    return [
        entry
        if ids[entry["image_id"]] in (None, entry["image_id"])
        else {**entry, "image_id": ids[entry["image_id"]]}
        for entry in entries
    ]


def check_category(entries: Sequence[dict[str, Any]], ground_truth: GroundTruth) -> None:
    """Check that results have poses of the category that the ground truth has people of.

    Raises:
        DatasetError: all are of other categories.
    """
    given = {entry["category_id"] for entry in entries}
    if given and ground_truth.category_id not in given:
        raise DatasetError(
            f"the results have category_id {', '.join(sorted(map(str, given)))}, and people have "
            f"category_id {ground_truth.category_id} in the annotations; give both the same"
        )
