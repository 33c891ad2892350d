"""Any file of poses: told by its content, read, and written back with other scores."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from rcnet_rt.datasets.files import read_exact_json
from rcnet_rt.datasets.ids import ImageId
from rcnet_rt.datasets.json_entries import open_text, read_entries
from rcnet_rt.datasets.mmpose_files import is_mmpose, read_mmpose
from rcnet_rt.datasets.openpose import read_openpose
from rcnet_rt.datasets.pose_objects import joint_estimates_of
from rcnet_rt.datasets.results import (
    BODY_FIRST,
    Entry,
    ImagePoses,
    check_results,
    poses_by_image,
    with_scores,
    write_results,
)
from rcnet_rt.errors import DatasetError
from rcnet_rt.files.reading import open_input
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17, Skeleton

__all__ = ["PoseFile", "ResultsFile", "is_recording", "is_results", "read_pose_file", "skeleton_of"]


FIRST_ENTRY = 1 << 16  # characters that have to be parsed for it
RECORDING = b'{"rcnet_rt"'  # how our JSON Lines begin


class PoseFile(Protocol):
    """A file, or a folder, of poses: as it stands, and as images of `Poses`."""

    @property
    def kind(self) -> str:
        """What it is, in words: "COCO results"."""
        ...

    @property
    def every_frame(self) -> bool:
        """Whether it has an image for each frame, those without people too."""
        ...

    @property
    def names(self) -> Sequence[ImageId]:
        """What each image is called, or its number."""
        ...

    @property
    def images(self) -> Sequence[Poses]:
        """Poses of each image."""
        ...

    @property
    def skeleton(self) -> Skeleton:
        """What the keypoints are."""
        ...

    def write(self, path: Path, refined: Sequence[Poses], threshold: float, weights: str) -> None:
        """Write it again with other scores, whole or not at all.

        Args:
            path: where.
            refined: the same images with refined scores.
            threshold: refined score from which a pose is kept, for formats that say so.
            weights: name of what refined them, for formats that say so.

        Raises:
            OutputError: it cannot be written.
        """
        ...


@dataclass(frozen=True, eq=False)
class ResultsFile:
    """COCO results of any tool in `datasets.formats`; `score` changes, joint estimates are added.

    Attributes:
        entries: of the file.
        single_image: whether `image_id` was added, because the file is of one image and names none.
    """

    entries: list[Entry]
    single_image: bool = False
    kind = "COCO results"
    every_frame = False

    @cached_property
    def skeleton(self) -> Skeleton:
        """What the keypoints are, by their number."""
        return skeleton_of(self.entries)

    @cached_property
    def by_image(self) -> dict[ImageId, ImagePoses]:
        """Poses by image id."""
        return poses_by_image(self.entries, self.skeleton, finite_scores=False)

    @property
    def names(self) -> list[ImageId]:
        """Image ids, in order of first appearance."""
        return list(self.by_image)

    @property
    def images(self) -> list[Poses]:
        """Poses of each image."""
        return [image.poses for image in self.by_image.values()]

    def write(self, path: Path, refined: Sequence[Poses], threshold: float, weights: str) -> None:
        """Write the same entries in the same order."""
        scores = [0.0] * len(self.entries)
        estimates: list[Entry] = [{}] * len(self.entries)
        for image, poses in zip(self.by_image.values(), refined, strict=True):
            for row, index in enumerate(image.entries):
                scores[index] = float(poses.scores[row])
                estimates[index] = joint_estimates_of(poses, row)
        scored = with_scores(self.entries, scores)
        entries = [entry | known for entry, known in zip(scored, estimates, strict=True)]
        if self.single_image:
            entries = [{k: v for k, v in entry.items() if k != "image_id"} for entry in entries]
        write_results(path, entries)


def read_pose_file(path: Path) -> PoseFile:
    """Read an OpenPose folder or another tool's JSON, plain or gzipped, as a whole.

    That is COCO results of any tool, OpenPifPaf's predictions of an image, or MMPose's of its demo.

    Raises:
        DatasetError: it is missing, damaged, or of an unknown skeleton.
    """
    if path.is_dir():
        return read_openpose(path)
    content = read_exact_json(path)
    if is_mmpose(content):
        return read_mmpose(path, content)
    if _is_single_image(content):
        name = path.name.removesuffix(".gz").removesuffix(".json").removesuffix(".predictions")
        named = [{**entry, "image_id": name} for entry in content]
        return ResultsFile(check_results(path, named), single_image=True)
    return ResultsFile(check_results(path, content))


def _is_single_image(content: Any) -> bool:
    """Return whether it is a list of entries none of which names an image, as OpenPifPaf writes."""
    return (
        isinstance(content, list)
        and len(content) > 0
        and all(isinstance(entry, dict) and "image_id" not in entry for entry in content)
    )


def skeleton_of(entries: Sequence[Entry]) -> Skeleton:
    """Return the known skeleton with as many keypoints as results have; COCO's for none.

    Raises:
        DatasetError: there is none.
    """
    count = len(entries[0]["keypoints"]) / 3 if entries else len(COCO17.keypoints)
    if count in BODY_FIRST:
        return COCO17
    for skeleton in skeletons.with_keypoints(count):
        return skeleton
    raise DatasetError(
        f"the results have {count:g} keypoints a pose, for which no skeleton is known; "
        "rcnet_rt.register_skeleton adds one"
    )


def is_recording(path: Path) -> bool:
    """Return whether a file is JSON Lines of ours, by how it begins."""
    if not path.is_file():
        return False  # nor is a pipe, which can be read only once
    try:
        with open_input(path) as file:
            return file.read(len(RECORDING)) == RECORDING
    except (OSError, EOFError, zlib.error):
        return False  # the reader says what is wrong


def is_results(path: Path) -> bool:
    """Return whether a file is COCO results, by its first entry; a pipe is taken for such."""
    if path.is_dir() or is_recording(path):
        return False
    if not path.is_file():
        return True  # a pipe can be read only once; of what is missing the reader says so
    try:
        with open_input(path) as file, open_text(file) as text:
            if text.read(FIRST_ENTRY).lstrip()[:1] != "[":
                return False
        with open_input(path) as file, open_text(file) as text:
            blocks = (block.entries for block in read_entries(text, FIRST_ENTRY))
            first = next((entries for entries in blocks if entries), [])
    except (OSError, EOFError, ValueError, zlib.error, RecursionError):
        return True  # the reader says what is wrong
    return not (is_mmpose(first) or _is_single_image(first))
