"""One annotation file in COCO's format, every value checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.files import read_json
from rcnet_rt.datasets.ground_truth import GroundTruth, Image, Persons
from rcnet_rt.datasets.ids import ImageId, ImageIndex, id_fault, number_of
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["load_annotations"]

Floats = npt.NDArray[np.float64]
Annotation = dict[str, Any]

VISIBILITY = (0, 1, 2)  # not labelled, occluded, visible
OCCLUDED = 1


def load_annotations(
    path: Path,
    split: str,
    skeleton: Skeleton,
    wanted: Collection[ImageId] | None = None,
    area_of_box: float | None = None,
) -> tuple[GroundTruth, set[ImageId]]:
    """Return the ground truth of a file, and which of the wanted images are in it.

    Args:
        path: the file.
        split: its split.
        skeleton: of the annotated keypoints.
        wanted: ids or file names of the images to keep; None keeps all.
        area_of_box: a person's area as a share of the box, where annotations have no `area`.

    Raises:
        DatasetError: the file is damaged, not in COCO's format, or has impossible values.
    """
    content = read_json(path)
    try:
        listed = [_image(image, split) for image in content["images"]]
        images, found = _chosen(listed, wanted)
        category_id = _person_category(content)
        annotations = _of_images(content["annotations"], images, category_id)
        complete = content.get("complete_image_ids", content.get("full_real_image_ids"))
        persons = dict(_by_image(annotations, images, skeleton, area_of_box))
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is not COCO keypoint ground truth: {type(error).__name__} {error}; expected "
            f"images and annotations with keypoints, bbox{'' if area_of_box else ' and area'}"
        ) from error
    except (ValueError, OverflowError) as error:
        raise DatasetError(f"{path} is damaged: {error}; correct it or fetch it again") from error
    known = images if complete is None else images.keys() & set(map(number_of, complete))
    return GroundTruth(skeleton, images, persons, frozenset(known), category_id), found


def _chosen(
    listed: list[Image], wanted: Collection[ImageId] | None
) -> tuple[dict[int, Image], set[ImageId]]:
    """Return the wanted images by id, in file order, and by what they were wanted."""
    if wanted is None:
        return {image.id: image for image in listed}, set()
    index = ImageIndex(image.names for image in listed)
    positions = {name: index.find(name) for name in wanted}
    found = {name: position for name, position in positions.items() if position is not None}
    chosen = [listed[position] for position in sorted(set(found.values()))]
    return {image.id: image for image in chosen}, set(found)


def _image(image: dict[str, Any], split: str) -> Image:
    name, size = image["file_name"], (image["width"], image["height"])
    if not isinstance(name, str):
        raise ValueError(f"an image has file_name {name!r:.80}; expected text")
    if not all(_is_whole(side) and side > 0 for side in size):
        raise ValueError(f"image {name} has width, height {size}; expected whole numbers above 0")
    number = _number(image["id"], "an image has id")
    width, height = map(int, size)
    return Image(number, name, width, height, split, image.get("crowdIndex"), image["id"])


def _number(value: Any, subject: str) -> int:
    """Return the whole number that stands for an id."""
    if fault := id_fault(value):
        raise ValueError(f"{subject} {fault}")
    return number_of(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value)


def _person_category(content: dict[str, Any]) -> int:
    """Return the id of the category that has keypoints, of several the one called person."""
    known = [category for category in content.get("categories", []) if "keypoints" in category]
    named = [category for category in known if category.get("name") == "person"]
    category_id = next((category["id"] for category in [*named, *known]), 1)
    if not _is_whole(category_id):
        raise ValueError(f"the category of people has id {category_id!r}; expected a whole number")
    return int(category_id)


def _of_images(
    annotations: list[Annotation], images: Collection[int], category_id: int
) -> list[tuple[int, Annotation]]:
    """Return the people of some images, each with the id of its image."""
    owned = [
        (_number(annotation["image_id"], "an annotation has image_id"), annotation)
        for annotation in annotations
    ]
    return [
        (image_id, annotation)
        for image_id, annotation in owned
        if image_id in images and annotation["category_id"] == category_id
    ]


def _by_image(
    owned: list[tuple[int, Annotation]],
    images: Collection[int],
    skeleton: Skeleton,
    area_of_box: float | None,
) -> Iterator[tuple[int, Persons]]:
    """Yield the people of each image: one conversion for all, then slices."""
    owned = sorted(owned, key=lambda pair: pair[0])
    everybody = _persons([annotation for _, annotation in owned], skeleton, area_of_box)
    owners = np.array([image_id for image_id, _ in owned], dtype=np.int64)
    for image_id in images:
        first = np.searchsorted(owners, image_id, "left")
        yield image_id, everybody[first : np.searchsorted(owners, image_id, "right")]


def _persons(
    annotations: list[Annotation], skeleton: Skeleton, area_of_box: float | None
) -> Persons:
    joints = len(skeleton.keypoints)
    for annotation in annotations:
        if len(annotation["keypoints"]) != 3 * joints:
            raise ValueError(
                f"annotation {annotation['id']} has {len(annotation['keypoints'])} values, "
                f"expected {3 * joints} for the {joints} keypoints of {skeleton.name}"
            )
    values = _numbers(annotations, "keypoints", (3 * joints,)).reshape(-1, joints, 3)
    boxes = _numbers(annotations, "bbox", (4,))
    crowd = np.array([a.get("iscrowd", 0) for a in annotations], dtype=bool)
    _check(annotations, "keypoints", np.isin(values[:, :, 2], VISIBILITY), "visibility 0, 1 or 2")
    visible = values[:, :, 2] > 0
    if area_of_box is None:
        areas = _numbers(annotations, "area", ())
        _check(annotations, "area", areas >= 0, "at least 0")
    else:
        areas = boxes[:, 2] * boxes[:, 3] * area_of_box
    counts = [a.get("num_keypoints", n) for a, n in zip(annotations, visible.sum(1), strict=True)]
    return Persons(
        keypoints=values[:, :, :2],
        visible=visible,
        occluded=values[:, :, 2] == OCCLUDED,
        areas=areas,
        boxes=np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
        iscrowd=crowd,
        ignore=crowd | (np.array(counts, dtype=np.int64) == 0),
        annotation_ids=np.array(
            [_number(a["id"], "an annotation has id") for a in annotations], dtype=np.int64
        ),
    )


def _numbers(annotations: list[Annotation], key: str, shape: tuple[int, ...]) -> Floats:
    """Return the (G, *shape) finite numbers that annotations have under a key."""
    values = [annotation[key] for annotation in annotations]
    array = _array(values)
    if array is None or array.shape[1:] != shape:
        _check(annotations, key, lambda value: _fits(value, shape), "numbers")
    result: Floats = np.asarray(array, np.float64).reshape(-1, *shape)
    _check(annotations, key, np.isfinite(result), "finite numbers")
    return result


def _fits(value: Any, shape: tuple[int, ...]) -> bool:
    array = _array(value)
    return array is not None and array.shape == shape


def _array(value: Any) -> npt.NDArray[Any] | None:
    """Return what is made of numbers alone as an array; NumPy would take the text "5" for 5."""
    try:
        array = np.array(value)
    except ValueError:
        return None
    return array if array.dtype.kind in "iuf" else None


def _check(
    annotations: list[Annotation],
    key: str,
    good: npt.NDArray[np.bool_] | Callable[[Any], bool],
    expected: str,
) -> None:
    """Name the first annotation whose value is not good, if there is one."""
    if not callable(good) and good.all():
        return
    for number, annotation in enumerate(annotations):
        fine = good(annotation[key]) if callable(good) else bool(np.all(good[number]))
        if not fine:
            raise ValueError(
                f"annotation {annotation['id']} has {key} {annotation[key]!r:.80}; expected "
                f"{expected}"
            )
