"""Other tools' poses as the arguments of `Poses`: ultralytics, supervision, COCO entries.

Objects are recognised by the attributes they have: none of these tools is imported.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import DatasetError, PosesError
from rcnet_rt.poses.arrays import float32_of
from rcnet_rt.poses.fields import FIELDS
from rcnet_rt.poses.joint_estimates import parse_joint_estimates
from rcnet_rt.poses.skeletons import COCO17, Skeleton

__all__ = [
    "BODY_FIRST",
    "FILE_NAMES",
    "RAW_CONFIDENCE",
    "box_corners",
    "box_of",
    "found_joints",
    "keypoint_values",
    "scores_of",
    "entry_signals",
    "from_coco",
    "from_keypoint_values",
    "from_supervision",
    "from_ultralytics",
    "has_flags",
    "is_number",
    "parse_signals",
]

Entry = Mapping[str, Any]
Arguments = dict[str, Any]  # of `Poses`
Floats = npt.NDArray[np.float32]

# Halpe (26, 136) and COCO-WholeBody (133) begin with COCO's 17 joints, which are what is read.
BODY_FIRST = (26, 133, 136)

# Where `KeyPoints.data` keeps the estimator's score once `detection_confidence` is refined.
RAW_CONFIDENCE = "raw_detection_confidence"

# Fields of files, and the arguments of `Poses` that they become.
FILE_NAMES = {field.file_name: field.name for field in FIELDS if field.file_name is not None}


def from_ultralytics(result: Any) -> Arguments:
    """Return the arguments of `Poses` for an ultralytics `Results`, to the bit.

    A joint at exactly (0, 0) with confidence 0 was not found and becomes NaN.

    Raises:
        PosesError: the result has no keypoints.
    """
    if result.keypoints is None:
        raise PosesError(
            "the ultralytics result has no keypoints; use a pose model such as yolov8n-pose"
        )
    height, width = result.orig_shape
    data = _host(result.keypoints.data)
    keypoints = data[..., :2].copy()
    confidence = data[..., 2] if data.shape[2] == 3 else None
    if confidence is not None:
        keypoints[(keypoints == 0).all(axis=2) & (confidence == 0)] = np.nan
    return {
        "keypoints": keypoints,
        "scores": _host(result.boxes.conf),
        "keypoint_scores": confidence,
        "boxes": _host(result.boxes.xyxy),
        "image_size": (width, height),
    }


def from_supervision(
    key_points: Any,
    boxes: npt.ArrayLike | None = None,
    image_size: tuple[int, int] | None = None,
) -> Arguments:
    """Return N supervision `KeyPoints` as poses; a joint at exactly (0, 0) was not found.

    `visible` says what is drawn, not what was found, and is not read. Refined key points give the
    estimator's scores again.

    Args:
        key_points: N people.
        boxes: (N, 4) x1, y1, x2, y2 pixels, which `KeyPoints` do not hold; or None.
        image_size: (width, height), or None.

    Raises:
        PosesError: there is no `detection_confidence`, or boxes that do not fit.
    """
    xy = np.array(key_points.xy, dtype=np.float32)
    scores = key_points.data.get(RAW_CONFIDENCE, key_points.detection_confidence)
    if len(xy) == 0:
        return {"keypoints": xy, "scores": np.zeros(0), "image_size": image_size}
    if scores is None:
        raise PosesError(
            "the KeyPoints have no detection_confidence, so there is no score to refine; set it, "
            "to keypoint_confidence.mean(axis=1) if your estimator scores joints only"
        )
    xy[(xy == 0).all(axis=2)] = np.nan
    return {
        "keypoints": xy,
        "scores": np.asarray(scores),
        "keypoint_scores": key_points.keypoint_confidence,
        "boxes": None if boxes is None else np.asarray(boxes),
        "image_size": image_size,
    }


def from_coco(
    entries: Sequence[Entry],
    skeleton: Skeleton = COCO17,
    image_size: tuple[int, int] | None = None,
) -> Arguments:
    """Return the poses of one image from its entries of a COCO results file.

    The rules are those of `datasets.results.poses_by_image`, which reads whole files: see
    `found_joints` and `has_flags`; boxes become x1, y1, x2, y2.

    Raises:
        DatasetError: entries of several images, without keypoints or score, or with a wrong number
            of keypoints.

    >>> pose = {"image_id": 1, "keypoints": [8.0, 9.0, 0.5] * 17, "score": 0.7}
    >>> from_coco([pose])["keypoint_scores"].shape
    (1, 17)
    """
    for index, entry in enumerate(entries):
        if missing := [key for key in ("keypoints", "score") if key not in entry]:
            raise DatasetError(f"entry {index} lacks {' and '.join(missing)}; COCO results have it")
    if len({entry.get("image_id") for entry in entries}) > 1:
        raise DatasetError(
            "the entries are of several images; give those of one, or read the file with "
            "datasets.results.poses_by_image"
        )
    if not entries:
        nobody = np.zeros((0, len(skeleton.keypoints), 2), np.float32)
        return {"keypoints": nobody, "scores": np.zeros(0), "image_size": image_size}
    values = float32_of(keypoint_values(entries, skeleton))
    return from_keypoint_values(
        values,
        float32_of(scores_of(entries, finite=False)),
        entries,
        flags=has_flags(values),
        image_size=image_size,
    )


def from_keypoint_values(
    values: Floats,
    scores: Floats,
    entries: Sequence[Entry],
    *,
    flags: bool,
    image_size: tuple[int, int] | None,
) -> Arguments:
    """Return the poses of one image.

    Args:
        values: (N, K, 3) x, y, third value.
        scores: (N,) scores.
        entries: the N entries that both come from; their boxes and signals are read.
        flags: whether third values are flags, see `has_flags`.
        image_size: (width, height), or None.
    """
    found = found_joints(values)[..., None]
    return {
        "keypoints": np.where(found, values[:, :, :2], np.float32(np.nan)),
        "scores": scores,
        "keypoint_scores": None if flags else values[:, :, 2],
        "boxes": _boxes(entries),
        "image_size": image_size,
        **entry_signals(entries),
    }


def has_flags(values: npt.NDArray[Any]) -> bool:
    """Return whether all third values of (N, K, 3) are 0, 1 or 2: visibility, no confidence."""
    return bool(np.isin(values[:, :, 2], (0, 1, 2)).all())


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
                f"entry {index} (image {entry.get('image_id')}) of the results has {count} "
                f"keypoint values ({count / 3:g} joints), expected {3 * joints} for the {joints} "
                f"of {skeleton.name}"
            )
    listed = [entry["keypoints"] for entry in entries]
    body = [values if len(values) == 3 * joints else values[: 3 * joints] for values in listed]
    with contextlib.suppress(ValueError, OverflowError):
        values = np.array(body)
        if values.dtype.kind in "biuf":
            return values.astype(np.float64).reshape(-1, joints, 3)
    for entry, keypoints in zip(entries, body, strict=True):
        for value in keypoints:
            if not is_number(value):
                raise DatasetError(
                    f"a pose of image {entry.get('image_id')} in the results has the keypoint "
                    f"value {value!r:.40}; expected x, y, confidence for each joint"
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


def scores_of(entries: Sequence[Entry], finite: bool = True) -> npt.NDArray[np.float64]:
    """Return the (N,) scores of the entries.

    Raises:
        DatasetError: one is NaN or infinite, unless `finite` is false.
    """
    for index, entry in enumerate(entries):
        if finite and not math.isfinite(entry["score"]):
            raise DatasetError(
                f"entry {index} (image {entry.get('image_id')}) of the results has the score "
                f"{entry['score']}; expected a finite number"
            )
    return np.array([entry["score"] for entry in entries], dtype=np.float64)


def box_of(entry: Entry) -> Any:
    """Return an entry's x, y, width, height, or what stands there; AlphaPose calls it `box`."""
    return entry.get("bbox") or entry.get("box")


def box_corners(entry: Entry) -> tuple[float, float, float, float] | None:
    """Return an entry's x1, y1, x2, y2, or None where it has no box."""
    box = box_of(entry)
    if not box:
        return None
    x, y, width, height = box
    return x, y, x + width, y + height


def _boxes(entries: Sequence[Entry]) -> Floats | None:
    """Return the (N, 4) x1, y1, x2, y2 of x, y, width, height, or None where one is absent."""
    boxes = [box_corners(entry) for entry in entries]
    return None if None in boxes else float32_of(boxes)


def parse_signals(objects: Sequence[Entry]) -> dict[str, Any]:
    """Return the arguments of `Poses` that JSON objects hold as signals and joint estimates.

    A signal is NaN for a pose without; joint estimates are read where all poses have them.

    Raises:
        ValueError: values of different lengths, or that are not numbers.
    """
    signals: dict[str, Any] = {}
    for key, name in FILE_NAMES.items():
        given = next((pose[key] for pose in objects if pose.get(key) is not None), None)
        if given is not None:
            absent = np.full(np.shape(given), np.nan)
            values = [absent if pose.get(key) is None else pose[key] for pose in objects]
            signals[name] = float32_of(values)
    return signals | parse_joint_estimates(objects)


def is_number(value: Any) -> bool:
    """Return whether it is a number that a float can hold; JSON integers have no limit."""
    if type(value) is float:
        return True
    return isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 1023


def entry_signals(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return `parse_signals` of the entries of an image.

    Raises:
        DatasetError: values of different lengths, or that are not numbers.
    """
    try:
        return parse_signals(entries)
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f"image {entries[0].get('image_id')}: consensus, agreement, embedding or joint "
            f"estimates of the results are not as many numbers as those of its other entries, or "
            f"cannot be ({error})"
        ) from error


def _host(tensor: Any) -> Floats:
    """Return an array or a tensor of any device as a float32 array."""
    array = tensor.cpu().numpy() if hasattr(tensor, "cpu") else tensor
    return np.asarray(array, dtype=np.float32)
