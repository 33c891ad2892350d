"""Annotations in COCO's format, plain or gzipped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from rcnet_rt.datasets.annotations import load_annotations
from rcnet_rt.datasets.ground_truth import GroundTruth, Image, Persons
from rcnet_rt.datasets.ids import ImageId
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["Dataset", "GroundTruth", "Image", "Persons", "load_ground_truth"]


@dataclass(frozen=True)
class Dataset:
    """A folder with annotations in COCO's format and their images; laid out as COCO by default.

    Attributes:
        root: the folder.
        skeleton: of the annotated keypoints.
        annotations: annotation files under the folder, without an ending .gz.
        image_layouts: folders of images under the folder.
        usual_split: the split that is evaluated by default.
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
        self, split: str | None = None, image_ids: Iterable[ImageId] | None = None
    ) -> GroundTruth:
        """Load the people of a split, of some images, or of everything that is annotated.

        With `image_ids` (ids or names of files) only those images are kept, and without `split`
        they are searched for in all splits, the smallest file first, until all are found.

        A top-level `complete_image_ids` names the `complete` images, or `full_real_image_ids` where
        that is absent; without both, all are.

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
            part, found = load_annotations(path, name, self.skeleton, missing, self.area_of_box)
            parts.append(part)
            if missing is not None:
                missing -= found
                if not missing:
                    break
        loaded = _join(parts)
        if missing and not loaded.images:
            raise DatasetError(
                f"none of the {len(missing)} images is annotated in {self.root} (splits "
                f"{', '.join(sorted(files))}), such as {next(iter(missing))!r:.80}; give the "
                "dataset that the results were made on"
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
    root: Path, split: str | None = None, image_ids: Iterable[ImageId] | None = None
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
