"""Altered copies of images: more real predictions from the images that one has.

An estimator shown the same people larger, smaller, cut off, darker or blurred errs in new ways, and
its scores answer for those errors. So a network can learn from ten times the poses, all of them the
estimator's own, with the ground truth that is there.

Results of a copy stand in the coordinates of the original image. Each entry says in `copy` how
the estimator saw it: a point x of the original was at x * scale + offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.coco import Persons
from rcnet_rt.datasets.results import Entry, ImagePoses, poses_by_image
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.boxes import box_areas
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton

__all__ = [
    "Augmentation",
    "AugmentedPoses",
    "augment",
    "last_of_each_augmentation",
    "poses_by_augmentation",
    "persons_in_augmentation",
]

Image = npt.NDArray[np.uint8]

SCALES = (0.45, 1.6)
GREY = 114  # what YOLO pads with
CONTRAST, BRIGHTNESS = (0.6, 1.3), (-25.0, 25.0)
BLUR, QUALITY = (0.5, 1.5), (25, 70)  # pixels; JPEG quality
RARE = 0.3  # share of the copies that are blurred, and of those that are compressed
CUT_AWAY = 0.02  # a person of whom less of the box is left is not there


@dataclass(frozen=True)
class Augmentation:
    """How a copy shows its image, on a canvas of the same size.

    Attributes:
        number: from 0; 0 is the first copy.
        scale: of x and y.
        offset: of x and y, in pixels of the copy.
    """

    number: int
    scale: tuple[float, float]
    offset: tuple[float, float]

    @classmethod
    def read(cls, value: Any) -> Augmentation:
        """Return what an entry's `copy` says.

        Raises:
            DatasetError: it says something else.
        """
        try:
            scale, offset = (tuple(float(v) for v in value[key]) for key in ("scale", "offset"))
            (sx, sy), (dx, dy) = scale, offset
            return cls(int(value["number"]), (sx, sy), (dx, dy))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DatasetError(
                f"an entry's copy is {value!r}; expected number, scale and offset, as "
                "`rcnet-rt predict --augmentations` writes them"
            ) from error

    def written(self) -> dict[str, Any]:
        """Return what an entry's `copy` says of this one."""
        return {"number": self.number, "scale": list(self.scale), "offset": list(self.offset)}

    def seen(self, poses: Poses) -> Poses:
        """Return poses of the original as they stand in the copy."""
        return _moved(poses, np.array(self.scale), np.array(self.offset))

    def original(self, poses: Poses) -> Poses:
        """Return poses of the copy as they stand in the original."""
        scale, offset = np.array(self.scale), np.array(self.offset)
        return _moved(poses, 1 / scale, -offset / scale)


def _moved(poses: Poses, scale: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]) -> Poses:
    boxes = poses.boxes
    if boxes is not None:
        boxes = (boxes * np.tile(scale, 2) + np.tile(offset, 2)).astype(np.float32)
    keypoints = (poses.keypoints * scale + offset).astype(np.float32)
    return replace(poses, keypoints=keypoints, boxes=boxes)


def augment(image: Image, number: int, seed: Sequence[int]) -> tuple[Image, Augmentation]:
    """Return a copy of a BGR image, of the same size; the seed decides everything."""
    import cv2

    random = np.random.default_rng([*seed, number])
    height, width = image.shape[:2]
    factor = np.exp(random.uniform(*np.log(SCALES)))
    resized = cv2.resize(
        image,
        None,
        fx=factor,
        fy=factor,
        interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR,
    )
    tall, wide = resized.shape[:2]
    left = round((width - wide) * random.random())
    top = round((height - tall) * random.random())
    canvas = np.full_like(image, GREY)
    rows = slice(max(top, 0), min(top + tall, height))
    columns = slice(max(left, 0), min(left + wide, width))
    canvas[rows, columns] = resized[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    augmentation = Augmentation(number, (wide / width, tall / height), (float(left), float(top)))
    return _worn(canvas, random), augmentation


def _worn(image: Image, random: np.random.Generator) -> Image:
    """Other light, sometimes blurred, sometimes compressed."""
    import cv2

    light = image * random.uniform(*CONTRAST) + random.uniform(*BRIGHTNESS)
    worn: Any = np.clip(light, 0, 255).astype(np.uint8)
    if random.random() < RARE:
        worn = cv2.GaussianBlur(worn, (0, 0), random.uniform(*BLUR))
    if random.random() < RARE:
        quality = int(random.uniform(*QUALITY))
        _, encoded = cv2.imencode(".jpg", worn, [cv2.IMWRITE_JPEG_QUALITY, quality])
        worn = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    result: Image = worn
    return result


def persons_in_augmentation(
    augmentation: Augmentation, people: Persons, size: tuple[int, int]
) -> Persons:
    """Return the people of an image, in its coordinates, as far as they are on the copy.

    Joints beyond its edge are not labelled, areas shrink with the part of the box that is left,
    who has no joint left does not count, and who is cut away altogether is not there.
    """
    scale, offset = np.array(augmentation.scale), np.array(augmentation.offset)
    low, high = -offset / scale, (np.array(size) - offset) / scale
    inside = ((people.keypoints >= low) & (people.keypoints < high)).all(axis=2)
    boxes = np.clip(people.boxes, np.tile(low, 2), np.tile(high, 2))
    left = box_areas(boxes) / np.maximum(box_areas(people.boxes), 1e-9)
    visible = people.visible & inside
    some = replace(
        people,
        visible=visible,
        occluded=people.occluded & inside,
        areas=people.areas * np.maximum(left, CUT_AWAY),
        boxes=boxes,
        ignore=people.ignore | ~visible.any(axis=1),
    )
    return some[left > CUT_AWAY]


@dataclass(frozen=True, eq=False)
class AugmentedPoses:
    """The poses of a copy, in the coordinates of the original; without a copy, of the original."""

    augmentation: Augmentation | None
    poses: ImagePoses


def last_of_each_augmentation(files: Sequence[Sequence[Entry]]) -> list[Entry]:
    """Return the entries of all files; of a copy that is in several, those of the last.

    >>> first, second = ({"image_id": 1, "copy": {"number": number}} for number in (0, 1))
    >>> again = {**first, "score": 0.5}
    >>> last_of_each_augmentation([[first, first, second], [again]]) == [second, again]
    True
    """
    last = {_augmentation_of(entry): number for number, file in enumerate(files) for entry in file}
    return [
        entry
        for number, file in enumerate(files)
        for entry in file
        if last[_augmentation_of(entry)] == number
    ]


def _augmentation_of(entry: Entry) -> str:
    return f"{entry['image_id']} {entry.get('copy')}"


def poses_by_augmentation(
    entries: Sequence[Entry], skeleton: Skeleton
) -> dict[int, list[AugmentedPoses]]:
    """Return the poses on each augmentation of each image, of `predict --augmentations`.

    Raises:
        DatasetError: an entry that does not say which copy it is of, or is damaged.
    """
    number_of = {"": 0}
    keyed = []
    for index, entry in enumerate(entries):
        if "copy" not in entry:
            raise DatasetError(
                f"entry {index} is of an image itself, not of an augmentation; give such results "
                "by --predictions"
            )
        number = number_of.setdefault(_augmentation_of(entry), len(number_of))
        keyed.append({**entry, "image_id": number})
    result: dict[int, list[AugmentedPoses]] = {}
    for item in poses_by_image(keyed, skeleton).values():
        first = entries[item.entries[0]]
        poses = replace(item, image_id=first["image_id"])
        result.setdefault(first["image_id"], []).append(
            AugmentedPoses(Augmentation.read(first["copy"]), poses)
        )
    return result
