"""`Poses`: the poses of one image, the value that everything else takes and returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import PosesError
from rcnet_rt.poses.fields import FIELDS
from rcnet_rt.poses.skeletons import COCO17, Skeleton

__all__ = ["Poses"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Poses:
    """The N poses of one image, K keypoints each. Frozen; indexing selects poses.

    The arrays are those of `poses.fields.FIELDS`, which their shapes are checked against.

    Attributes:
        keypoints: (N, K, 2) float32, x and y in image pixels; NaN for a joint that was not found.
        scores: (N,) float32, confidence of each pose.
        keypoint_scores: (N, K) float32, confidence of each joint, or None.
        boxes: (N, 4) float32, x1, y1, x2, y2 in image pixels, or None.
        raw_scores: (N,) float32, the estimator's score; present after refinement.
        track_ids: (N,) int64, -1 for a pose that belongs to no track; or None.
        consensus: (N, C) float32, statistics of the candidates that NMS removed, in the columns of
            `poses.fields.CONSENSUS`; NaN where not known.
        agreement: (N,) float32, OKS × √score of the pose that a recheck found; NaN where there was
            none.
        embeddings: (N, E) float32, features of the pose in the estimator's network, any E.
        joint_confidence: (N, K) float32 in [0, 1], calibrated probability that each joint is right;
            0 for a joint that was not found. From weights with a joint head, as is the next.
        joint_covariance: (N, K, 2, 2) float32, covariance of each joint's error in square image
            pixels, symmetric and positive semi-definite; NaN for a joint that was not found.
        image_size: (width, height) in pixels, or None.

    Raises:
        PosesError: a shape that does not fit, with what was expected and what was got.

    >>> poses = Poses(np.zeros((3, 17, 2)), np.array([0.9, 0.5, 0.1]))
    >>> len(poses), len(poses[poses.scores > 0.3])
    (3, 2)
    """

    keypoints: Floats
    scores: Floats
    keypoint_scores: Floats | None = None
    boxes: Floats | None = None
    raw_scores: Floats | None = None
    track_ids: npt.NDArray[np.int64] | None = None
    consensus: Floats | None = None
    agreement: Floats | None = None
    embeddings: Floats | None = None
    joint_confidence: Floats | None = None
    joint_covariance: Floats | None = None
    image_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        joints = _joints(_array("keypoints", self.keypoints, np.float32).shape)
        count = len(self.keypoints)
        for field in FIELDS:
            value = getattr(self, field.name)
            if value is None and not field.required:
                continue
            array = _array(field.name, value, field.dtype)
            expected = (count, *(joints if size == "K" else size for size in field.shape))
            if not _fits(array.shape, expected):
                raise PosesError(
                    f"{field.name}: expected shape {expected} for {count} poses of {joints} "
                    f"keypoints, got {array.shape}"
                )
            object.__setattr__(self, field.name, array)
        if self.image_size is not None:
            object.__setattr__(self, "image_size", _image_size(self.image_size))

    @classmethod
    def empty(cls, joints: int, image_size: tuple[int, int] | None = None) -> Poses:
        """Return no poses of `joints` keypoints.

        >>> Poses.empty(17).keypoints.shape
        (0, 17, 2)
        """
        keypoints = np.zeros((0, joints, 2), np.float32)
        return cls(keypoints, np.zeros(0, np.float32), image_size=image_size)

    @classmethod
    def from_ultralytics(cls, result: Any) -> Poses:
        """Return the poses of one ultralytics `Results`; see `poses.adapters`."""
        from rcnet_rt.poses import adapters

        return cls(**adapters.from_ultralytics(result))

    @classmethod
    def from_supervision(
        cls,
        key_points: Any,
        boxes: npt.ArrayLike | None = None,
        image_size: tuple[int, int] | None = None,
    ) -> Poses:
        """Return supervision `KeyPoints` as poses; see `poses.adapters`."""
        from rcnet_rt.poses import adapters

        return cls(**adapters.from_supervision(key_points, boxes, image_size))

    @classmethod
    def from_coco(
        cls,
        entries: Sequence[Mapping[str, Any]],
        skeleton: Skeleton = COCO17,
        image_size: tuple[int, int] | None = None,
    ) -> Poses:
        """Return the poses of one image from its COCO results; see `poses.adapters`.

        >>> entry = {"keypoints": [8.0, 9.0, 0.5] * 17, "score": 0.7, "bbox": [5, 5, 10, 20]}
        >>> Poses.from_coco([entry]).boxes.tolist()
        [[5.0, 5.0, 15.0, 25.0]]
        """
        from rcnet_rt.poses import adapters

        return cls(**adapters.from_coco(entries, skeleton, image_size))

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Poses]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: Any) -> Poses:
        """Return the poses that a number, a slice, indices or a boolean mask select."""
        if isinstance(index, (int, np.integer)):
            index = [range(len(self))[index]]
        selected = {
            field.name: array[index]
            for field in FIELDS
            if (array := getattr(self, field.name)) is not None
        }
        return replace(self, **selected)

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """(N, K) whether each joint was found."""
        found: npt.NDArray[np.bool_]
        found = ~np.isnan(self.keypoints[..., 0]) & ~np.isnan(self.keypoints[..., 1])
        return found

    @property
    def estimator_scores(self) -> Floats:
        """(N,) what the estimator said, refined or not."""
        return self.scores if self.raw_scores is None else self.raw_scores

    def with_scores(self, scores: npt.ArrayLike) -> Poses:
        """Return these poses with new scores; the estimator's own stay as `raw_scores`."""
        raw = self.estimator_scores
        return self._with(scores=_shaped("scores", scores, raw.shape), raw_scores=raw)

    def with_joints(self, confidence: npt.ArrayLike, covariance: npt.ArrayLike) -> Poses:
        """Return these poses with other estimates of their joints, (N, K) and (N, K, 2, 2)."""
        count = self.keypoints.shape[:2]
        return self._with(
            joint_confidence=_shaped("joint_confidence", confidence, count),
            joint_covariance=_shaped("joint_covariance", covariance, (*count, 2, 2)),
        )

    def _with(self, **arrays: Floats) -> Poses:
        """Return these poses with other arrays that were checked, as the rest was."""
        changed = object.__new__(type(self))
        changed.__dict__.update(self.__dict__, **arrays)
        return changed


def _joints(shape: tuple[int, ...]) -> int:
    """Return K of keypoints of shape (N, K, 2)."""
    if len(shape) == 3 and shape[2] == 2:
        return shape[1]
    advice = "; give the third column as keypoint_scores" if shape[2:] == (3,) else ""
    raise PosesError(f"keypoints: expected shape (N, K, 2), got {shape}{advice}")


def _array(name: str, value: Any, dtype: type) -> npt.NDArray[Any]:
    """Return a read-only array, a view where the type allows it."""
    try:
        array: npt.NDArray[Any] = np.asarray(value, dtype=dtype).view()
    except (TypeError, ValueError, OverflowError) as error:
        raise PosesError(f"{name}: expected an array of numbers, got {value!r}") from error
    array.flags.writeable = False
    return array


def _shaped(name: str, value: npt.ArrayLike, expected: tuple[int, ...]) -> Floats:
    """Return an array of that shape as `_array` does."""
    array = _array(name, value, np.float32)
    if array.shape != expected:
        raise PosesError(f"{name}: expected shape {expected}, got {array.shape}")
    return array


def _fits(shape: tuple[int, ...], expected: tuple[int | str, ...]) -> bool:
    """Whether a shape is the expected one; a letter stands for any length."""
    return len(shape) == len(expected) and all(
        isinstance(wanted, str) or got == wanted
        for got, wanted in zip(shape, expected, strict=True)
    )


def _image_size(value: Any) -> tuple[int, int]:
    try:
        width, height = (int(side) for side in value)
        float(width), float(height)  # JSON integers have no limit
    except (TypeError, ValueError, OverflowError) as error:
        raise PosesError(
            f"image_size: expected (width, height) in pixels, got {value!r}"
        ) from error
    if width <= 0 or height <= 0:
        raise PosesError(f"image_size: width and height must be above 0, got {value!r}")
    return width, height
