"""The candidates of a YOLO-Pose network before non-maximum suppression, from the same inference."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from rcnet_rt.errors import BackendError
from rcnet_rt.poses.arrays import Array, Constant, is_torch, namespace
from rcnet_rt.rescoring.constants import CANDIDATE_FLOOR
from rcnet_rt.rescoring.nms_consensus import Candidates, consensus

__all__ = ["MAX_CANDIDATES", "RawPredictions", "host_consensus"]

MAX_CANDIDATES = 512  # candidates of an image: a crowd of 50 people has fewer above the floor


class RawPredictions:
    """Keeps the last raw predictions of an ultralytics predictor, before suppression.

    Wraps the predictor's own `postprocess`, which goes on to get what it always got.
    """

    def __init__(self, predictor: Any) -> None:
        self._predictor = predictor
        self._postprocess = predictor.postprocess
        self._last: tuple[Any, Any, Any] | None = None
        predictor.postprocess = self._keep

    def _keep(self, predictions: Any, images: Any, originals: Any, **options: Any) -> Any:
        raw = predictions[0] if isinstance(predictions, (list, tuple)) else predictions
        # A copy of the boxes: suppression used to turn them into corners in place.
        self._last = raw, raw[:, :4].clone(), tuple(images.shape[2:])
        return self._postprocess(predictions, images, originals, **options)

    @property
    def present(self) -> bool:
        """Whether the last inference had candidates.

        A model that is end-to-end, or was exported with suppression inside, has none.
        """
        if self._last is None or self._end2end:
            return False
        joints, values = self._joint_shape
        return bool(self._last[0].shape[1] == self._scores_end + joints * values)

    @cached_property  # as what follows: a model's attributes are slow to look up
    def _end2end(self) -> bool:
        return bool(getattr(self._predictor.model, "end2end", False))

    @cached_property
    def _scores_end(self) -> int:
        return 4 + len(self._predictor.model.names)

    @cached_property
    def _joint_shape(self) -> tuple[int, int]:
        joints, values = self._predictor.model.kpt_shape
        return int(joints), int(values)

    def release(self) -> None:
        """Give the predictor its own `postprocess` back."""
        self._predictor.postprocess = self._postprocess

    def consensus(self, result: Any, sigmas: tuple[float, ...], image: int = 0) -> Array | None:
        """Return the (N, C) consensus of the poses of an image's `Results`, or None.

        `image` is its place in the last batch. Computed where the predictions are: on a GPU they
        do not leave it.
        """
        if not self.present:
            return None
        keypoints, boxes = result.keypoints.data[..., :2], result.boxes.xyxy
        candidates = self._candidates(image, result.orig_shape)
        if keypoints.is_cuda:
            return consensus(keypoints, boxes, candidates, _constant(sigmas).like(keypoints))
        sigma = np.asarray(sigmas, np.float32)
        return host_consensus()(keypoints.numpy(), boxes.numpy(), candidates, sigma)

    def _candidates(self, image: int, original: tuple[int, int]) -> Candidates:
        """Return the best candidates of an image: tensors on a GPU, NumPy on the host."""
        assert self._last is not None
        raw, raw_boxes, seen = self._last
        if raw.is_cuda:
            best = raw[image, 4 : self._scores_end].amax(0)
            chosen = best.topk(min(MAX_CANDIDATES, len(best))).indices
        else:  # NumPy is several times faster with so few numbers
            raw, raw_boxes = raw.numpy(), raw_boxes.numpy()
            best = raw[image, 4 : self._scores_end].max(0)
            chosen = np.flatnonzero(best >= CANDIDATE_FLOOR)
            if len(chosen) > MAX_CANDIDATES:
                chosen = chosen[np.argsort(-best[chosen])[:MAX_CANDIDATES]]
        joints = _single(raw[image, self._scores_end :][:, chosen].T)
        joints = joints.reshape(len(joints), *self._joint_shape)[..., :2]
        boxes = _single(raw_boxes[image][:, chosen].T).reshape(-1, 2, 2)  # middles and sides
        middle, half = boxes[:, :1], boxes[:, 1:] / 2
        points = namespace(raw).concatenate([middle - half, middle + half, joints], 1)
        scale, shift, size = (_like(part, points) for part in _placement(seen, original))
        points = (points * scale + shift).clip(0 * size, size)
        return Candidates(points[:, 2:], _single(best[chosen]), points[:, :2].reshape(-1, 4))


@lru_cache(maxsize=1)
def host_consensus() -> Callable[..., Array]:
    """Return `consensus` for arrays on the host: compiled where Numba is.

    Behind an inference, the compiled function takes a fraction of the time.
    """
    if find_spec("numba") is None:
        return consensus
    try:
        from rcnet_rt.backends.numba_consensus import consensus_on_the_host

        return consensus_on_the_host()
    except (BackendError, ImportError):  # Numba does not take every NumPy
        return consensus


@lru_cache(maxsize=64)
def _placement(seen: tuple[int, int], original: tuple[int, int]) -> tuple[Constant, ...]:
    """Return what takes x, y of the network's image to the original: scale, shift; and its size.

    As ultralytics has it, asked once: how it takes two points of the middle, which none of its
    clipping reaches.
    """
    from ultralytics.utils import ops

    middle = np.array([seen[1], seen[0]]) / 2
    points = np.stack([middle, middle + 1])
    first, second = ops.scale_coords(seen, points.copy(), original)
    scale = second - first
    return tuple(map(Constant, (scale, first - middle * scale, (original[1], original[0]))))


@lru_cache
def _constant(values: tuple[float, ...]) -> Constant:
    """Return the same constant for the same values, so that they reach a GPU once."""
    return Constant(values)


def _like(constant: Constant, array: Array) -> Array:
    """Return it in the type of the array, so that NumPy does not go on in double precision."""
    values = constant.like(array)
    return values if is_torch(array) else values.astype(array.dtype)


def _single(array: Array) -> Array:
    """Return it in single precision: half is too coarse to add pixels in."""
    return array.float() if is_torch(array) else array.astype(np.float32, copy=False)
