"""Poses as a caller gives them: arrays of one kind whose shapes fit, nothing filled in yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from rcnet_rt.errors import PosesError
from rcnet_rt.poses.arrays import Array, as_tensor, is_torch, namespace
from rcnet_rt.poses.fields import INPUTS
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.constants import CONFIDENT_POSE
from rcnet_rt.rescoring.score_reference import ScoreReference

__all__ = [
    "ARRAYS",
    "MAX_POSES_IN_PACK",
    "PoseInputs",
    "as_float64",
    "check",
    "inputs_of",
    "join",
    "packs",
    "with_floor",
]

# Offline, images are packed up to so many poses; features and attention compare all pairs of them.
MAX_POSES_IN_PACK = {"cpu": 256, "cuda": 1024}


class PoseInputs(NamedTuple):
    """P poses, K joints each, of one or many images; None is what was not given.

    The arrays are those of `poses.fields.INPUTS`, and `image_index`.

    Attributes:
        keypoints: (P, K, 2) image pixels, NaN for a joint that was not found.
        scores: (P,) the estimator's confidence.
        keypoint_scores: (P, K).
        boxes: (P, 4) x1, y1, x2, y2 image pixels.
        consensus: (P, C) the columns of `poses.fields.CONSENSUS`; NaN where not known.
        agreement: (P,) OKS × √score of a recheck, NaN where there was none.
        embeddings: (P, E) features of the pose in the estimator's network.
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
        changed = {
            name: change(array) for name in ARRAYS if (array := getattr(self, name)) is not None
        }
        if not (self.image_size is None or isinstance(self.image_size, tuple)):
            changed["image_size"] = change(self.image_size)
        return self._replace(**changed)


ARRAYS = (*(field.name for field in INPUTS), "image_index")


def check(inputs: PoseInputs) -> PoseInputs:
    """Bring the poses of one image to one kind of array: torch if keypoints are, else NumPy.

    Keypoints may be (P, K, 3) here, the third column joint scores. Masked values become NaN.

    Raises:
        PosesError: a shape that does not fit, or something else than numbers.
    """
    if not _are_floats(inputs):
        convert = _to_torch(inputs.keypoints) if is_torch(inputs.keypoints) else _to_numpy
        try:
            inputs = inputs.map(convert)
        except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
            raise PosesError(
                f"keypoints, scores and all that comes with them must be arrays of numbers: {error}"
            ) from error
    inputs = _without_third_column(inputs)
    _check_shapes(inputs)
    if inputs.image_size is not None:
        inputs = inputs._replace(image_size=_checked_size(inputs.image_size))
    return inputs


def inputs_of(poses: Poses, reference: ScoreReference | None = None) -> PoseInputs:
    """Return the poses of one image, with the estimator's scores."""
    known = {field.name: getattr(poses, field.name) for field in INPUTS}
    known["scores"] = poses.estimator_scores
    return PoseInputs(**known, image_size=poses.image_size, reference=reference)


def as_float64(array: Array) -> Array:
    """Return an array of the host in double precision; a tensor as it is."""
    return array if is_torch(array) else np.asarray(array, np.float64)


def with_floor(inputs: PoseInputs, floor: float) -> PoseInputs:
    """Raise raw scores to the floor where all joints are confident although the score is below it.

    Without joint scores nothing changes.
    """
    if floor <= 0 or inputs.keypoint_scores is None:
        return inputs
    scores, joints = inputs.scores, inputs.keypoint_scores
    if not is_torch(scores):
        low = [row for row, score in enumerate(scores.tolist()) if score < floor]
        if not low or joints[low].sum(axis=1).max() < CONFIDENT_POSE * joints.shape[1]:
            return inputs  # the usual case, kept cheap
    raised = (scores < floor) & (joints.mean(axis=1) >= CONFIDENT_POSE)
    return inputs._replace(scores=namespace(scores).where(raised, floor, scores))


def join(images: Sequence[Poses], reference: ScoreReference | None = None) -> PoseInputs:
    """Join the poses of many images that have the same optional fields, with estimator scores.

    >>> join([Poses.empty(17), Poses(np.ones((2, 17, 2)), [0.1, 0.2])]).image_index.tolist()
    [1.0, 1.0]
    """
    columns = {
        field.name: np.concatenate([getattr(poses, field.name) for poses in images])
        for field in INPUTS
        if getattr(images[0], field.name) is not None
    }
    columns["scores"] = np.concatenate([poses.estimator_scores for poses in images])
    counts = [len(poses) for poses in images]
    columns["image_index"] = np.repeat(np.arange(len(images), dtype=np.float64), counts)
    if any(poses.image_size for poses in images):
        sizes = [poses.image_size or (np.nan, np.nan) for poses in images]
        columns["image_size"] = np.repeat(np.array(sizes, np.float64), counts, axis=0)
    return PoseInputs(**columns, reference=reference)


def packs(images: Iterable[Poses], max_poses: int) -> Iterator[list[Poses]]:
    """Split images into runs for `join`: the same optional fields, and at most so many poses.

    An image with more poses makes a run of its own.
    """
    chunk: list[Poses] = []
    count = 0
    for poses in images:
        full = count + len(poses) > max_poses
        if chunk and (full or _known(poses) != _known(chunk[0])):
            yield chunk
            chunk, count = [], 0
        chunk.append(poses)
        count += len(poses)
    if chunk:
        yield chunk


def _known(poses: Poses) -> list[tuple[int, ...] | None]:
    """Which optional arrays there are, and how wide a row of each is."""
    arrays = [getattr(poses, field.name) for field in INPUTS]
    return [None if array is None else array.shape[1:] for array in arrays]


def _are_floats(inputs: PoseInputs) -> bool:
    """Return whether all arrays are NumPy's and floating: nothing to convert, the usual case."""
    return all(
        array is None or (type(array) is np.ndarray and array.dtype.kind == "f")
        for array in [getattr(inputs, name) for name in ARRAYS]
    )


def _to_numpy(array: Any) -> Any:
    """Return floating numbers as they are, others in double precision."""
    if type(array) is np.ndarray and array.dtype.kind == "f":
        return array
    if is_torch(array):
        array = _dense(array).cpu().double().numpy()
    if isinstance(array, np.ma.MaskedArray):
        masked: Any = array.astype(np.float64)  # old stubs leave `filled` untyped
        return masked.filled(np.nan)
    values = np.asarray(array)
    if values.dtype.kind in "cSUV":
        raise TypeError(f"got values of type {values.dtype}")
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _to_torch(keypoints: Any) -> Callable[[Any], Any]:
    """Return what makes tensors beside the keypoints, in single precision at least."""
    torch = namespace(keypoints)
    dtype = torch.float64 if keypoints.dtype == torch.float64 else torch.float32

    def convert(array: Any) -> Any:
        values = array if is_torch(array) else _to_numpy(array)
        tensor = _dense(as_tensor(values))
        if tensor.is_complex():
            raise TypeError(f"got values of type {tensor.dtype}")
        return tensor.to(device=keypoints.device, dtype=dtype)

    return convert


def _dense(tensor: Any) -> Any:
    """Return a tensor that holds its numbers one by one, without its gradient."""
    if tensor.is_meta:
        raise TypeError("got a tensor on the device meta, which holds no numbers")
    detached = tensor.detach()
    return detached if tensor.layout == namespace(tensor).strided else detached.to_dense()


def _without_third_column(inputs: PoseInputs) -> PoseInputs:
    """Move joint scores from a third column of the keypoints to where they belong."""
    shape = tuple(inputs.keypoints.shape)
    if 0 in shape and len(shape) < 3 and 0 in inputs.scores.shape:  # an empty list
        return inputs._replace(keypoints=inputs.keypoints.reshape(0, 0, 2), scores=_none(inputs))
    if len(shape) != 3 or shape[2] not in (2, 3):
        raise PosesError(f"keypoints: expected shape (N, K, 2) or (N, K, 3), got {shape}")
    if shape[2] == 2:
        return inputs
    if inputs.keypoint_scores is not None:
        raise PosesError(
            "joint scores came twice: as the third column of keypoints and as keypoint_scores; "
            "give one of them"
        )
    points = inputs.keypoints
    return inputs._replace(keypoints=points[:, :, :2], keypoint_scores=points[:, :, 2])


def _none(inputs: PoseInputs) -> Array:
    """Return the scores of no poses."""
    return inputs.scores.reshape(0)


def _check_shapes(inputs: PoseInputs) -> None:
    count, joints = inputs.keypoints.shape[:2]
    for name, row in _row_shapes(joints):
        array = getattr(inputs, name)
        if array is None or (len(array) == count and array.shape[1:] == row):
            continue
        shape = tuple(array.shape)
        if row == ANY_ROW and len(shape) == 2 and shape[0] == count:
            continue
        if not (count == 0 and 0 in shape):
            expected = (count, *("E" if size is None else size for size in row))
            raise PosesError(
                f"{name}: expected shape {expected} for {count} poses of {joints} keypoints, "
                f"got {shape}"
            )


ANY_ROW = (None,)


@lru_cache
def _row_shapes(joints: int) -> tuple[tuple[str, tuple[int | None, ...]], ...]:
    """Return the name of each array and its shape of one pose, None for any size."""
    sizes = {"K": joints, "E": None}
    return tuple(
        (
            field.name,
            tuple(size if isinstance(size, int) else sizes[size] for size in field.shape),
        )
        for field in INPUTS
    )


def _checked_size(image_size: Any) -> tuple[float, float]:
    try:
        width, height = (float(side) for side in image_size)
    except (TypeError, ValueError, OverflowError) as error:
        raise PosesError(
            f"image_size: expected (width, height) in pixels, got {image_size!r}"
        ) from error
    if not (0 < width < float("inf") and 0 < height < float("inf")):
        raise PosesError(f"image_size: width and height must be above 0, got {image_size!r}")
    return width, height
