"""COCO's ground truth: `person_keypoints_{split}.json`, plain or gzipped, as frozen arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt import skeletons
from rcnet_rt.datasets.files import read_json
from rcnet_rt.errors import DatasetError
from rcnet_rt.oks import oks
from rcnet_rt.skeletons import Skeleton

__all__ = ["GroundTruth", "Image", "Persons", "image_path", "load_ground_truth", "splits"]

_PREFIX = "person_keypoints_"


@dataclass(frozen=True)
class Image:
    """One picture of a dataset; width and height in pixels."""

    id: int
    file_name: str
    width: int
    height: int
    split: str


@dataclass(frozen=True, eq=False)
class Persons:
    """The G annotations of one image, in file order; read-only float64 arrays in image pixels.

    Attributes:
        keypoints: (G, K, 2) x and y; (0, 0) where not labelled.
        visible: (G, K) whether the joint is labelled (COCO's v > 0).
        areas: (G,) square pixels of the person (COCO: of the segmentation).
        boxes: (G, 4) x1, y1, x2, y2.
        iscrowd: (G,) whether it is a region of many people.
        ignore: (G,) whether COCO does not count it: a crowd, or nobody's joints labelled.
        annotation_ids: (G,) ids in the annotation file.
    """

    keypoints: npt.NDArray[np.float64]
    visible: npt.NDArray[np.bool_]
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
            the others a right pose of such a person looks wrong, so they are reported apart.
        category_id: what results call a person.
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

    def oks(self, image_id: int, keypoints: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the (N, G) OKS of (N, K, 2) keypoints with the people of an image."""
        return self.persons[image_id].oks(keypoints, self.skeleton.sigmas)

    def subset(self, image_ids: Collection[int]) -> GroundTruth:
        """Return the ground truth of those of the images that it has."""
        kept = [image_id for image_id in self.images if image_id in set(image_ids)]
        return replace(
            self,
            images={image_id: self.images[image_id] for image_id in kept},
            persons={image_id: self.persons[image_id] for image_id in kept},
            complete=self.complete.intersection(kept),
        )


def splits(root: Path) -> dict[str, Path]:
    """Return the annotation files of a COCO folder by split, the smallest file first.

    Raises:
        DatasetError: there is none.
    """
    folder = root / "annotations"
    # Plain files come last here, so where both are present they win over their gzipped twins.
    files = [*folder.glob(f"{_PREFIX}*.json.gz"), *folder.glob(f"{_PREFIX}*.json")]
    if not files:
        raise DatasetError(
            f"no annotations in {root}: expected annotations/{_PREFIX}{{split}}.json or .json.gz; "
            "give the folder that holds annotations/ and images/"
        )
    found = {path.name.removeprefix(_PREFIX).partition(".json")[0]: path for path in files}
    return dict(sorted(found.items(), key=lambda item: (item[1].stat().st_size, item[0])))


def load_ground_truth(
    root: Path, split: str | None = None, image_ids: Collection[int] | None = None
) -> GroundTruth:
    """Load the people of a split, of some images, or of everything that a COCO folder annotates.

    With `image_ids` only those images are kept, and without `split` they are looked for in all
    splits, the smallest file first, until all are found.

    A top-level `full_real_image_ids` names the `complete` images; without it, all are.

    Raises:
        DatasetError: no annotations, an unknown split, a damaged file, or none of the images.
    """
    files = splits(Path(root))
    if split is not None:
        if split not in files:
            raise DatasetError(
                f"{root} has no split {split!r}; its splits are {', '.join(sorted(files))}"
            )
        files = {split: files[split]}
    missing = None if image_ids is None else set(image_ids)
    parts = []
    for name, path in files.items():
        part = _load_file(path, name, missing)
        parts.append(part)
        if missing is not None:
            missing -= part.images.keys()
            if not missing:
                break
    loaded = _join(parts)
    if image_ids is not None and not loaded.images:
        raise DatasetError(
            f"none of the {len(set(image_ids))} images is annotated in {root} "
            f"(splits {', '.join(sorted(files))}); give the dataset that the results were made on"
        )
    return loaded


def image_path(root: Path, image: Image) -> Path:
    """Return the file of an image: `images/{split}/` or `{split}/` under the COCO folder.

    Raises:
        DatasetError: it is in neither.
    """
    candidates = [
        Path(root) / "images" / image.split / image.file_name,
        Path(root) / image.split / image.file_name,
    ]
    for path in candidates:
        if path.is_file():
            return path
    raise DatasetError(f"image {image.id} is neither {candidates[0]} nor {candidates[1]}")


def _join(parts: list[GroundTruth]) -> GroundTruth:
    """Join splits; of an image that several list, the first is kept."""
    joined = replace(parts[0], images={}, persons={}, complete=frozenset())
    for part in parts:
        new = part.images.keys() - joined.images.keys()
        joined.images.update({key: image for key, image in part.images.items() if key in new})
        joined.persons.update({key: part.persons[key] for key in part.images if key in new})
        joined = replace(joined, complete=joined.complete | (part.complete & new))
    return joined


def _load_file(path: Path, split: str, image_ids: Collection[int] | None) -> GroundTruth:
    skeleton = skeletons.COCO17
    content = read_json(path)
    try:
        images = {
            image["id"]: Image(
                image["id"], image["file_name"], image["width"], image["height"], split
            )
            for image in content["images"]
            if image_ids is None or image["id"] in image_ids
        }
        category_id = _person_category(content)
        annotations = [
            annotation
            for annotation in content["annotations"]
            if annotation["image_id"] in images and annotation["category_id"] == category_id
        ]
        complete = images.keys() & set(content.get("full_real_image_ids", images))
        persons = dict(_by_image(annotations, images, skeleton))
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is not COCO keypoint ground truth: {type(error).__name__} {error}; expected "
            "images and annotations with keypoints, bbox and area"
        ) from error
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error
    return GroundTruth(skeleton, images, persons, frozenset(complete), category_id)


def _person_category(content: dict[str, Any]) -> int:
    """Return the id of the category that has keypoints: 1 in COCO."""
    ids = [category["id"] for category in content.get("categories", []) if "keypoints" in category]
    return int(ids[0]) if ids else 1


def _by_image(
    annotations: list[dict[str, Any]], images: Collection[int], skeleton: Skeleton
) -> Iterator[tuple[int, Persons]]:
    """Yield the people of each image: one conversion for all, then slices."""
    annotations = sorted(annotations, key=lambda annotation: int(annotation["image_id"]))
    everybody = _persons(annotations, skeleton)
    owners = np.array([annotation["image_id"] for annotation in annotations], dtype=np.int64)
    for image_id in images:
        first, last = np.searchsorted(owners, [image_id, image_id + 1])
        yield image_id, everybody[first:last]


def _persons(annotations: list[dict[str, Any]], skeleton: Skeleton) -> Persons:
    joints = len(skeleton.keypoints)
    for annotation in annotations:
        if len(annotation["keypoints"]) != 3 * joints:
            raise ValueError(
                f"annotation {annotation['id']} has {len(annotation['keypoints'])} values, "
                f"expected {3 * joints} for the {joints} keypoints of {skeleton.name}"
            )
    values = np.array([a["keypoints"] for a in annotations], dtype=np.float64)
    values = values.reshape(-1, joints, 3)
    boxes = np.array([a["bbox"] for a in annotations], dtype=np.float64).reshape(-1, 4)
    visible = values[:, :, 2] > 0
    crowd = np.array([a.get("iscrowd", 0) for a in annotations], dtype=bool)
    counts = [a.get("num_keypoints", n) for a, n in zip(annotations, visible.sum(1), strict=True)]
    return Persons(
        keypoints=values[:, :, :2],
        visible=visible,
        areas=np.array([a["area"] for a in annotations], dtype=np.float64),
        boxes=np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
        iscrowd=crowd,
        ignore=crowd | (np.array(counts, dtype=np.int64) == 0),
        annotation_ids=np.array([a["id"] for a in annotations], dtype=np.int64),
    )
