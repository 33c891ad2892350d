"""Poses as a caller gives them: arrays of one kind whose shapes fit, nothing filled in yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rcnet_rt.errors import PosesError
from rcnet_rt.poses.arrays import Array, as_tensor, is_torch, namespace
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.nms_consensus import CONSENSUS
from rcnet_rt.rescoring.score_reference import ScoreReference

__all__ = ["ARRAYS", "OPTIONAL", "PoseInputs", "check", "doubles", "join", "of"]


class PoseInputs(NamedTuple):
    """P poses, K joints each, of one or many images; None is what was not given.

    Attributes:
        keypoints: (P, K, 2) pixels, NaN for a joint that was not found.
        scores: (P,) what the estimator said.
        keypoint_scores: (P, K).
        boxes: (P, 4) x1, y1, x2, y2 pixels.
        consensus: (P, C), see `rescoring.nms_consensus.CONSENSUS`; NaN where not known.
        agreement: (P,) how surely a recheck finds it again, NaN where there was none.
        embeddings: (P, E) what the estimator's network saw.
        image_index: (P,) which image a pose belongs to; None if there is only one.
        image_size: (width, height), or (P, 2) for the poses of many images.
        reference: what else is known of the estimator's scores.
    """

    keypoints: Array
    scores: Array
    keypoint_scores: Array | None = None
    boxes: Array | None = None
    consensus: Array | None = None
    agreement: Array | None = None
    embeddings: Array | None = None
    image_index: Array | None = None
    image_size: tuple[float, float] | Array | None = None
    reference: ScoreReference | None = None

    def map(self, change: Callable[[Array], Array]) -> PoseInputs:
        """Return the same poses with every array changed."""
        arrays = [None if array is None else change(array) for array in self[: len(ARRAYS)]]
        size = self.image_size
        size = size if size is None or isinstance(size, tuple) else change(size)
        return PoseInputs(*arrays, image_size=size, reference=self.reference)  # type: ignore[misc]


ARRAYS = PoseInputs._fields[:8]
OPTIONAL = ARRAYS[2:7]


def check(given: PoseInputs) -> PoseInputs:
    """Bring the poses of one image to one kind of array: torch if keypoints are, else NumPy.

    Keypoints may be (P, K, 3) here, the third column joint scores.

    Raises:
        PosesError: a shape that does not fit.
    """
    keypoints, scores, joint_scores, *others = _same_kind(*given[: len(ARRAYS)])
    keypoints, joint_scores = _split_third_column(keypoints, joint_scores)
    size = None if given.image_size is None else _checked_size(given.image_size)
    checked = PoseInputs._make((keypoints, scores, joint_scores, *others, size, given.reference))
    _check_shapes(checked)
    return checked


def of(poses: Poses, reference: ScoreReference | None = None) -> PoseInputs:
    """Return the poses of one image, with their raw scores."""
    return PoseInputs(
        poses.keypoints,
        poses.estimator_scores,
        poses.keypoint_scores,
        poses.boxes,
        poses.consensus,
        poses.agreement,
        poses.embeddings,
        image_size=poses.image_size,
        reference=reference,
    )


def doubles(array: Array) -> Array:
    """Return an array of the host in double precision; a tensor as it is."""
    return array if is_torch(array) else np.asarray(array, np.float64)


def join(images: Sequence[Poses], reference: ScoreReference | None = None) -> PoseInputs:
    """Join the poses of many images that have the same optional fields, with their raw scores.

    >>> join([Poses.empty(17), Poses(np.ones((2, 17, 2)), [0.1, 0.2])]).image_index.tolist()
    [1.0, 1.0]
    """
    raw = [p.estimator_scores for p in images]
    columns = {"scores": np.concatenate(raw)}
    for name in ("keypoints", *OPTIONAL):
        if getattr(images[0], name) is not None:
            columns[name] = np.concatenate([getattr(poses, name) for poses in images])
    counts = [len(poses) for poses in images]
    columns["image_index"] = np.repeat(np.arange(len(images), dtype=np.float64), counts)
    if any(poses.image_size for poses in images):
        sizes = [poses.image_size or (np.nan, np.nan) for poses in images]
        columns["image_size"] = np.repeat(np.array(sizes, np.float64), counts, axis=0)
    return PoseInputs(**columns, reference=reference)


def _same_kind(*arrays: Any) -> list[Any]:
    """Bring all to torch on one device if the first is torch, else to NumPy floats; None stays."""
    first = arrays[0]
    if is_torch(first):
        torch = namespace(first)
        dtype = first.dtype if first.is_floating_point() else torch.float32
        return [
            None if array is None else as_tensor(array, dtype=dtype, device=first.device).detach()
            for array in arrays
        ]
    try:
        return [None if array is None else _floats(array) for array in arrays]
    except (TypeError, ValueError) as error:
        raise PosesError(
            f"keypoints, scores and all that comes with them must be arrays of numbers: {error}"
        ) from error


def _floats(array: Any) -> Any:
    """Return floating numbers as they are, others in double precision."""
    if isinstance(array, np.ndarray) and array.dtype.kind == "f":
        return array
    return np.asarray(array, dtype=np.float64)


def _split_third_column(keypoints: Array, keypoint_scores: Array | None) -> tuple[Array, Any]:
    if keypoints.ndim != 3 or keypoints.shape[2] not in (2, 3):
        raise PosesError(
            f"keypoints: expected shape (N, K, 2) or (N, K, 3), got {tuple(keypoints.shape)}"
        )
    if keypoints.shape[2] == 2:
        return keypoints, keypoint_scores
    if keypoint_scores is not None:
        raise PosesError(
            "joint scores came twice: as the third column of keypoints and as keypoint_scores; "
            "give one of them"
        )
    return keypoints[:, :, :2], keypoints[:, :, 2]


def _check_shapes(given: PoseInputs) -> None:
    count, joints = given.keypoints.shape[:2]
    width = 0 if given.embeddings is None else given.embeddings.shape[-1]
    expected = (
        (count,),
        (count, joints),
        (count, 4),
        (count, len(CONSENSUS)),
        (count,),
        (count, width),
    )
    for name, array, shape in zip(PoseInputs._fields[1:], given[1:], expected, strict=False):
        if array is not None and array.shape != shape:
            raise PosesError(
                f"{name}: expected shape {shape} for {count} poses of {joints} keypoints, "
                f"got {tuple(array.shape)}"
            )


def _checked_size(image_size: tuple[float, float]) -> tuple[float, float]:
    try:
        width, height = (float(side) for side in image_size)
    except (TypeError, ValueError) as error:
        raise PosesError(
            f"image_size: expected (width, height) in pixels, got {image_size!r}"
        ) from error
    if not (0 < width < float("inf") and 0 < height < float("inf")):
        raise PosesError(f"image_size: width and height must be above 0, got {image_size!r}")
    return width, height
