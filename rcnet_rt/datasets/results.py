"""COCO results files: a list of entries `{image_id, category_id, keypoints, score, ...}`.

What the field's tools write into them, and where they differ, is in `datasets.formats`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.files import read_json, write_json
from rcnet_rt.datasets.ids import ImageId, id_fault
from rcnet_rt.datasets.pose_objects import parse_signals
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17, Skeleton

__all__ = [
    "BODY_FIRST",
    "Entry",
    "ImagePoses",
    "box_corners",
    "check_finite",
    "check_results",
    "entry_box",
    "entry_fault",
    "found_joints",
    "indices_by_image",
    "keypoint_values",
    "poses_by_image",
    "read_results",
    "scores_of",
    "with_scores",
    "write_results",
]

Entry = dict[str, Any]

# Halpe (26, 136) and COCO-WholeBody (133) begin with COCO's 17 joints, which are what is read.
BODY_FIRST = (26, 133, 136)

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
        keys = (
            f" with {', '.join(map(str, list(content)[:4]))}" if isinstance(content, dict) else ""
        )
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
    if not _is_number(entry["score"]):
        return f"has score {entry['score']!r:.40}; expected a number"
    if not isinstance(entry["keypoints"], list):
        return "has keypoints that are not a list; expected x, y, confidence for each joint"
    box = entry_box(entry)
    if box and not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        return f"has bbox {box!r:.80}; expected x, y, width, height"
    return None


def entry_box(entry: Entry) -> Any:
    """Return an entry's x, y, width, height; AlphaPose calls it `box`."""
    return entry.get("bbox") or entry.get("box")


def _is_number(value: Any) -> bool:
    """Return whether it is a number that a float can hold; JSON has whole numbers without end."""
    if type(value) is float:
        return True
    return isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 1023


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


def scores_of(entries: Sequence[Entry], finite: bool = True) -> npt.NDArray[np.float64]:
    """Return the (N,) scores of the entries.

    Raises:
        DatasetError: one is NaN or infinite, unless `finite` is false.
    """
    for index, entry in enumerate(entries):
        if finite and not math.isfinite(entry["score"]):
            raise DatasetError(
                f"entry {index} (image {entry['image_id']}) of the results has the score "
                f"{entry['score']}; expected a finite number"
            )
    return np.array([entry["score"] for entry in entries], dtype=np.float64)


def keypoint_values(
    entries: Sequence[Entry], skeleton: Skeleton, first: int = 0
) -> npt.NDArray[np.float64]:
    """Return the (N, K, 3) keypoints of the entries as the file has them: x, y, third value.

    Of whole bodies (see `BODY_FIRST`) the first 17 joints. Entries are counted from `first`.

    Raises:
        DatasetError: an entry with another number of values, or with something else than numbers.
    """
    joints = len(skeleton.keypoints)
    counts = [joints, *(BODY_FIRST if skeleton == COCO17 else ())]
    for index, entry in enumerate(entries, start=first):
        count = len(entry["keypoints"])
        if count / 3 not in counts:
            raise DatasetError(
                f"entry {index} (image {entry['image_id']}) of the results has {count} keypoint "
                f"values ({count / 3:g} joints), expected {3 * joints} for the {joints} of "
                f"{skeleton.name}"
            )
    listed = [entry["keypoints"] for entry in entries]
    body = [values if len(values) == 3 * joints else values[: 3 * joints] for values in listed]
    with contextlib.suppress(ValueError, OverflowError):
        values = np.array(body)
        if values.dtype.kind in "biuf":
            return values.astype(np.float64).reshape(-1, joints, 3)
    for entry, keypoints in zip(entries, body, strict=True):
        for value in keypoints:
            if not _is_number(value):
                raise DatasetError(
                    f"a pose of image {entry['image_id']} in the results has the keypoint value "
                    f"{value!r:.40}; expected x, y, confidence for each joint"
                )
    return np.array(body, dtype=np.float64).reshape(-1, joints, 3)


def found_joints(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which of (..., 3) joints x, y, confidence were found.

    Not found is a joint of confidence 0 at a placeholder, x <= 0 or y <= 0 (tools write 0, 0 or
    0, -3 or -1, -1), and one with a coordinate that is NaN.

    >>> found_joints(np.array([[0, -3, 0], [0, 5, 0.4], [7, 5, 0]])).tolist()
    [False, True, True]
    """
    placeholder = (values[..., 2] == 0) & (values[..., :2] <= 0).any(axis=-1)
    found: npt.NDArray[np.bool_] = ~(placeholder | np.isnan(values[..., :2]).any(axis=-1))
    return found


def check_finite(entries: Sequence[Entry], values: npt.NDArray[np.float64], first: int = 0) -> None:
    """Check the scores, boxes and (N, K, 3) keypoints of entries, which count from `first`.

    Raises:
        DatasetError: one is NaN, infinite or beyond what a `Refiner` takes.
    """
    boxes = [entry_box(entry) or (0.0,) * 4 for entry in entries]
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
    values = keypoint_values(entries, skeleton).astype(np.float32)
    scores = scores_of(entries, finite_scores).astype(np.float32)
    points, third = values[:, :, :2], values[:, :, 2]
    keypoints = np.where(found_joints(values)[..., None], points, np.float32(np.nan))
    flags = bool(np.isin(third, (0, 1, 2)).all())
    return {
        image_id: ImagePoses(
            image_id,
            Poses(
                keypoints[indices],
                scores[indices],
                keypoint_scores=None if flags else third[indices],
                boxes=_boxes([entries[index] for index in indices]),
                image_size=None if image_sizes is None else image_sizes.get(image_id),
                **_signals([entries[index] for index in indices]),
            ),
            indices,
        )
        for image_id, indices in indices_by_image(entries).items()
    }


def _signals(entries: Sequence[Entry]) -> dict[str, Any]:
    try:
        return parse_signals(entries)
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f"image {entries[0]['image_id']}: consensus, agreement or embedding of the results are "
            f"not as many numbers as those of its other entries ({error})"
        ) from error


def _boxes(entries: Sequence[Entry]) -> npt.NDArray[np.float32] | None:
    """Return the (N, 4) x1, y1, x2, y2 of x, y, width, height, or None where one is absent."""
    boxes = [box_corners(entry) for entry in entries]
    return None if None in boxes else np.array(boxes, dtype=np.float32)


def box_corners(entry: Entry) -> tuple[float, float, float, float] | None:
    """Return an entry's x1, y1, x2, y2, or None where it has no box."""
    box = entry_box(entry)
    if not box:
        return None
    x, y, width, height = box
    return x, y, x + width, y + height
