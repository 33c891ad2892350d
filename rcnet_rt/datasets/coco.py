"""Ground truth in COCO's format, plain or gzipped, as frozen arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.files import read_json
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.oks import oks
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["Dataset", "GroundTruth", "Image", "Persons", "load_ground_truth"]


@dataclass(frozen=True)
class Image:
    """One image of a dataset; width and height in pixels.

    `crowd_index` is CrowdPose's: how much people cover each other, from 0; None elsewhere.
    """

    id: int
    file_name: str
    width: int
    height: int
    split: str
    crowd_index: float | None = None


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
        wanted = set(image_ids)
        kept = [image_id for image_id in self.images if image_id in wanted]
        return replace(
            self,
            images={image_id: self.images[image_id] for image_id in kept},
            persons={image_id: self.persons[image_id] for image_id in kept},
            complete=self.complete.intersection(kept),
        )


@dataclass(frozen=True)
class Dataset:
    """A folder with annotations in COCO's format and their images; laid out as COCO by default.

    Attributes:
        root: the folder.
        skeleton: of the annotated keypoints.
        annotations: annotation files under the folder, without an ending .gz.
        image_layouts: folders of images under the folder.
        usual_split: what is judged if nothing else is asked for.
        area_of_box: a person's area as a share of the box, where annotations have no `area`.
    """

    root: Path
    skeleton: Skeleton = skeletons.COCO17
    annotations: tuple[str, ...] = ("annotations/person_keypoints_{split}.json",)
    image_layouts: tuple[str, ...] = ("images/{split}", "{split}")
    usual_split: str = "val2017"
    area_of_box: float | None = None

    def with_skeleton(self, skeleton: Skeleton) -> Dataset:
        """Return the same annotations read as another skeleton of the same joints.

        Raises:
            DatasetError: it has other joints.
        """
        if skeleton.keypoints != self.skeleton.keypoints:
            raise DatasetError(
                f"{self.root} is annotated with the joints of {self.skeleton.name}, which are not "
                f"those of {skeleton.name}; choose a skeleton of the same joints"
            )
        return replace(self, skeleton=skeleton)

    def splits(self) -> dict[str, Path]:
        """Return the annotation files by split, the smallest file first.

        Raises:
            DatasetError: there is none.
        """
        found: dict[str, Path] = {}
        # The last one wins: the plain file over its gzipped twin, the first pattern over the next.
        for pattern in reversed(self.annotations):
            prefix, ending = Path(pattern).name.split("{split}")
            for packed in (".gz", ""):
                for path in sorted(self.root.glob(pattern.format(split="*") + packed)):
                    found[path.name.removeprefix(prefix).partition(ending)[0]] = path
        if not found:
            raise DatasetError(
                f"no annotations in {self.root}: expected {' or '.join(self.annotations)}, plain "
                "or .gz; give the folder that holds the annotations and images/"
            )
        return dict(sorted(found.items(), key=lambda item: (item[1].stat().st_size, item[0])))

    def ground_truth(
        self, split: str | None = None, image_ids: Collection[int] | None = None
    ) -> GroundTruth:
        """Load the people of a split, of some images, or of everything that is annotated.

        With `image_ids` only those images are kept, and without `split` they are looked for in all
        splits, the smallest file first, until all are found.

        A top-level `full_real_image_ids` names the `complete` images; without it, all are.

        Raises:
            DatasetError: no annotations, an unknown split, a damaged file, or none of the images.
        """
        files = self.splits()
        if split is not None:
            if split not in files:
                raise DatasetError(
                    f"{self.root} has no split {split!r}; its splits are {', '.join(sorted(files))}"
                )
            files = {split: files[split]}
        missing = None if image_ids is None else set(image_ids)
        parts = []
        for name, path in files.items():
            part = _load_file(self, path, name, missing)
            parts.append(part)
            if missing is not None:
                missing -= part.images.keys()
                if not missing:
                    break
        loaded = _join(parts)
        if image_ids is not None and not loaded.images:
            raise DatasetError(
                f"none of the {len(set(image_ids))} images is annotated in {self.root} (splits "
                f"{', '.join(sorted(files))}); give the dataset that the results were made on"
            )
        return loaded

    def image_folders(self, split: str) -> list[Path]:
        """Return the folders in which the images of a split may be."""
        return [self.root / folder.format(split=split) for folder in self.image_layouts]

    def image_path(self, image: Image) -> Path:
        """Return the file of an image.

        Raises:
            DatasetError: it is not there.
        """
        candidates = [folder / image.file_name for folder in self.image_folders(image.split)]
        for path in candidates:
            if path.is_file():
                return path
        raise DatasetError(f"image {image.id} is neither {' nor '.join(map(str, candidates))}")


def load_ground_truth(
    root: Path, split: str | None = None, image_ids: Collection[int] | None = None
) -> GroundTruth:
    """Load the ground truth of a folder laid out as COCO, see `Dataset.ground_truth`."""
    return Dataset(Path(root)).ground_truth(split, image_ids)


def _join(parts: list[GroundTruth]) -> GroundTruth:
    """Join splits; of an image that several list, the first is kept."""
    joined = replace(parts[0], images={}, persons={}, complete=frozenset())
    for part in parts:
        new = part.images.keys() - joined.images.keys()
        joined.images.update({key: image for key, image in part.images.items() if key in new})
        joined.persons.update({key: part.persons[key] for key in part.images if key in new})
        joined = replace(joined, complete=joined.complete | (part.complete & new))
    return joined


def _load_file(
    dataset: Dataset, path: Path, split: str, image_ids: Collection[int] | None
) -> GroundTruth:
    content = read_json(path)
    try:
        images = {
            image["id"]: _image(image, split)
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
        persons = dict(_by_image(annotations, images, dataset))
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is not COCO keypoint ground truth: {type(error).__name__} {error}; expected "
            "images and annotations with keypoints, bbox"
            f"{' and area' if dataset.area_of_box is None else ''}"
        ) from error
    except ValueError as error:
        raise DatasetError(f"{path} is damaged: {error}; fetch it again") from error
    return GroundTruth(dataset.skeleton, images, persons, frozenset(complete), category_id)


def _image(image: dict[str, Any], split: str) -> Image:
    size = image["width"], image["height"]
    return Image(image["id"], image["file_name"], *size, split, image.get("crowdIndex"))


def _person_category(content: dict[str, Any]) -> int:
    """Return the id of the category that has keypoints: 1 in COCO."""
    ids = [category["id"] for category in content.get("categories", []) if "keypoints" in category]
    return int(ids[0]) if ids else 1


def _by_image(
    annotations: list[dict[str, Any]], images: Collection[int], dataset: Dataset
) -> Iterator[tuple[int, Persons]]:
    """Yield the people of each image: one conversion for all, then slices."""
    annotations = sorted(annotations, key=lambda annotation: int(annotation["image_id"]))
    everybody = _persons(annotations, dataset)
    owners = np.array([annotation["image_id"] for annotation in annotations], dtype=np.int64)
    for image_id in images:
        first, last = np.searchsorted(owners, [image_id, image_id + 1])
        yield image_id, everybody[first:last]


def _persons(annotations: list[dict[str, Any]], dataset: Dataset) -> Persons:
    joints = len(dataset.skeleton.keypoints)
    for annotation in annotations:
        if len(annotation["keypoints"]) != 3 * joints:
            raise ValueError(
                f"annotation {annotation['id']} has {len(annotation['keypoints'])} values, "
                f"expected {3 * joints} for the {joints} keypoints of {dataset.skeleton.name}"
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
        areas=_areas(annotations, boxes, dataset.area_of_box),
        boxes=np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
        iscrowd=crowd,
        ignore=crowd | (np.array(counts, dtype=np.int64) == 0),
        annotation_ids=np.array([a["id"] for a in annotations], dtype=np.int64),
    )


def _areas(
    annotations: list[dict[str, Any]], boxes: npt.NDArray[np.float64], share: float | None
) -> npt.NDArray[np.float64]:
    """Return (G,) annotated areas, or that share of the (G, 4) boxes x, y, width, height."""
    if share is not None:
        return boxes[:, 2] * boxes[:, 3] * share
    return np.array([annotation["area"] for annotation in annotations], dtype=np.float64)
