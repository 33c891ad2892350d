"""COCO results files: a list of entries `{image_id, category_id, keypoints, score, ...}`.

What the field's tools write into them, and where they differ, is in `datasets.formats`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.files import read_json, write_json
from rcnet_rt.datasets.ids import ImageId, id_fault
from rcnet_rt.datasets.pose_objects import joint_estimates_of, signals_of
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.adapters import (
    BODY_FIRST,
    box_of,
    from_keypoint_values,
    has_flags,
    is_number,
    keypoint_values,
    scores_of,
)
from rcnet_rt.poses.arrays import float32_of
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton

__all__ = [
    "BODY_FIRST",
    "Entry",
    "ImagePoses",
    "check_finite",
    "check_results",
    "entry_fault",
    "indices_by_image",
    "keypoint_values",
    "poses_by_image",
    "poses_to_entries",
    "read_results",
    "scores_of",
    "with_scores",
    "write_results",
]

Entry = dict[str, Any]

FOUND = 2.0  # third value of a joint where the estimator gives no confidence: a flag

MAX_NUMBER = 1e15  # beyond this `Refiner` takes no number for a pixel or a score

_KEYS = ("image_id", "category_id", "keypoints", "score")


@dataclass(frozen=True, eq=False)
class ImagePoses:
    """The poses of one image, and the (N,) places of their entries in the results."""

    image_id: ImageId
    poses: Poses
    entries: npt.NDArray[np.int64]


def read_results(path: Path) -> list[Entry]:
    """Return the entries of a COCO keypoint results file, plain or gzipped, as they stand.

    Raises:
        DatasetError: a damaged file, not a list of entries, or an entry that lacks something.
    """
    path = Path(path)
    return check_results(path, read_json(path))


def check_results(path: Path, content: Any, first: int = 0) -> list[Entry]:
    """Return the entries that a file holds, counted from `first`, if they are COCO results.

    Raises:
        DatasetError: not a list of entries, or an entry that lacks something.
    """
    if not isinstance(content, list):
        names = [str(key) for key in list(content)[:4]] if isinstance(content, dict) else []
        keys = f" with {', '.join(names)}" if names else ""
        raise DatasetError(
            f"{path} is not a COCO results file: expected a list of entries, got "
            f"{type(content).__name__}{keys}; annotations are given by --coco"
        )
    for index, entry in enumerate(content, start=first):
        if fault := entry_fault(entry):
            raise DatasetError(f"{path}: entry {index} {fault}")
    return content


def entry_fault(entry: Any) -> str | None:
    """Return what is wrong with an entry, or None."""
    if not isinstance(entry, dict):
        return f"is not an object, got {type(entry).__name__}"
    if "image_id" not in entry and "keypoints" in entry:
        return (
            "lacks image_id: predictions of a single image, or of a demo, name no image; give COCO "
            "results, whose entries have " + ", ".join(_KEYS)
        )
    missing = [key for key in _KEYS if key not in entry]
    if missing:
        return f"lacks {', '.join(missing)}; COCO results have {', '.join(_KEYS)}"
    if fault := id_fault(entry["image_id"]):
        return f"has image_id {fault}"
    if fault := id_fault(entry["category_id"]):
        return f"has category_id {fault}"
    if not is_number(entry["score"]):
        return f"has score {entry['score']!r:.40}; expected a number"
    if not isinstance(entry["keypoints"], list):
        return "has keypoints that are not a list; expected x, y, confidence for each joint"
    box = box_of(entry)
    if box and not (isinstance(box, list) and len(box) == 4 and all(map(is_number, box))):
        return f"has bbox {box!r:.80}; expected x, y, width, height"
    return None


def write_results(path: Path, entries: Sequence[Entry]) -> None:
    """Write a COCO results file whole or not at all; gzipped where the name ends in .gz.

    Raises:
        OutputError: the file cannot be written.
    """
    write_json(Path(path), list(entries))


def with_scores(entries: Sequence[Entry], scores: npt.ArrayLike) -> list[Entry]:
    """Return the same entries in the same order with only `score` changed.

    >>> with_scores([{"image_id": 1, "score": 0.3, "note": "kept"}], np.float32([0.5]))
    [{'image_id': 1, 'score': 0.5, 'note': 'kept'}]

    Raises:
        DatasetError: not one finite score an entry.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (len(entries),) or not np.isfinite(values).all():
        raise DatasetError(
            f"expected {len(entries)} finite scores, one for each entry of the results, got shape "
            f"{values.shape} with {np.count_nonzero(~np.isfinite(values))} that are not finite"
        )
    return [
        {**entry, "score": score} for entry, score in zip(entries, values.tolist(), strict=True)
    ]


def poses_to_entries(poses: Poses, image_id: ImageId, category_id: int = 1) -> list[Entry]:
    """Return COCO results of the poses of an image: scores unrounded, boxes x, y, width, height.

    A joint that was not found is 0, 0, 0. Without joint scores the third value is the flag 2.
    """
    found = poses.found[..., None]
    third = poses.keypoint_scores
    confidence = np.full(poses.found.shape, FOUND) if third is None else third.astype(np.float64)
    joints = np.concatenate([poses.keypoints.astype(np.float64), confidence[..., None]], axis=2)
    keypoints = [pose.ravel().tolist() for pose in np.where(found, joints, 0.0)]
    entries: list[Entry] = [
        {
            "image_id": image_id,
            "category_id": category_id,
            "keypoints": row,
            "score": score,
        }
        for row, score in zip(keypoints, poses.scores.tolist(), strict=True)
    ]
    if poses.boxes is not None:
        boxes = poses.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        for entry, box in zip(entries, boxes.tolist(), strict=True):
            entry["bbox"] = box
    for index, entry in enumerate(entries):
        entry |= signals_of(poses, index) | joint_estimates_of(poses, index)
    return entries


def check_finite(entries: Sequence[Entry], values: npt.NDArray[np.float64], first: int = 0) -> None:
    """Check the scores, boxes and (N, K, 3) keypoints of entries, which count from `first`.

    Raises:
        DatasetError: one is NaN, infinite or beyond what a `Refiner` takes.
    """
    boxes = [box_of(entry) or (0.0,) * 4 for entry in entries]
    parts = {
        "score": np.array([entry["score"] for entry in entries], np.float64).reshape(-1, 1),
        "keypoint": values.reshape(len(entries), values[0].size if len(values) else 0),
        "box": np.array(boxes, np.float64).reshape(-1, 4),
    }
    for name, numbers in parts.items():
        faulty = ~(np.abs(numbers) <= MAX_NUMBER).all(axis=1)
        if faulty.any():
            index = int(faulty.argmax())
            raise DatasetError(
                f"entry {first + index} (image {entries[index]['image_id']}) of the results has a "
                f"{name} that is not a finite number, or beyond {MAX_NUMBER:g}; correct it, or use "
                "`rcnet-rt refine --on-error raw`"
            )


def indices_by_image(entries: Sequence[Entry]) -> dict[ImageId, npt.NDArray[np.int64]]:
    """Return the places of each image's entries, images in order of first appearance."""
    places: dict[ImageId, list[int]] = {}
    for index, entry in enumerate(entries):
        places.setdefault(entry["image_id"], []).append(index)
    return {image_id: np.array(indices, dtype=np.int64) for image_id, indices in places.items()}


def poses_by_image(
    entries: Sequence[Entry],
    skeleton: Skeleton,
    image_sizes: Mapping[Any, tuple[int, int]] | None = None,
    finite_scores: bool = True,
) -> dict[ImageId, ImagePoses]:
    """Return the poses of every image of a results file.

    Joints that were not found (`found_joints`) become NaN. Third values are the joints'
    confidences, unless the whole file has none but 0, 1 and 2: those are flags, and
    `keypoint_scores` is None. Boxes become x1, y1, x2, y2; an image with an entry that has no
    `bbox` has none.

    Args:
        entries: as `read_results` returns them.
        skeleton: of the results.
        image_sizes: (width, height) by image id, as `GroundTruth.image_sizes`.
        finite_scores: whether a NaN or infinite score is an error.

    Raises:
        DatasetError: a wrong number of keypoints, or a score that is not finite.
    """
    values = float32_of(keypoint_values(entries, skeleton))
    scores = float32_of(scores_of(entries, finite_scores))
    flags = has_flags(values)
    sizes = {} if image_sizes is None else image_sizes
    return {
        image_id: ImagePoses(
            image_id,
            Poses(
                **from_keypoint_values(
                    values[indices],
                    scores[indices],
                    [entries[index] for index in indices],
                    flags=flags,
                    image_size=sizes.get(image_id),
                )
            ),
            indices,
        )
        for image_id, indices in indices_by_image(entries).items()
    }
