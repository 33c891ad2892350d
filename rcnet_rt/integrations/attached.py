"""Which poses `attach` has refined, so that nothing refines their scores a second time.

Other tools copy the scores of ultralytics' results without a word on where they come from. A pose
is known by its keypoints and its refined score, both to the bit. Poses on a GPU stay there until
somebody asks.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.poses.arrays import Array, is_torch

__all__ = ["raw_scores_of", "remember"]

CAPACITY = 50_000  # poses: some MB
_known: OrderedDict[bytes, np.float32] = OrderedDict()
_on_gpu: deque[tuple[Array, Array, Array]] = deque(maxlen=1_000)  # images
_lock = threading.Lock()


def remember(keypoints: Array, refined: Array, raw: Array) -> None:
    """Take note of N poses: (N, K, 2) keypoints, NaN or 0 where not found, and their scores."""
    with _lock:
        if is_torch(refined) and refined.is_cuda:
            _on_gpu.append((keypoints, refined, raw))
        else:
            _note(keypoints, refined, raw)


def raw_scores_of(keypoints: npt.ArrayLike, scores: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return the (N,) raw scores of poses whose scores `attach` refined, NaN for the others."""
    with _lock:
        while _on_gpu:
            _note(*[tensor.cpu().numpy() for tensor in _on_gpu.popleft()])
        raw = [_known.get(key, np.nan) for key in _keys(keypoints, scores)]
    return np.array(raw, np.float32)


def _note(keypoints: npt.ArrayLike, refined: npt.ArrayLike, raw: npt.ArrayLike) -> None:
    for key, score in zip(_keys(keypoints, refined), np.asarray(raw, np.float32), strict=True):
        _known[key] = score
        _known.move_to_end(key)
    while len(_known) > CAPACITY:
        _known.popitem(last=False)


def _keys(keypoints: npt.ArrayLike, scores: npt.ArrayLike) -> list[bytes]:
    points = np.nan_to_num(np.asarray(keypoints, np.float32)) + np.float32(0)  # -0 is 0
    flat = points.reshape(len(points), math.prod(points.shape[1:]))
    columns: Any = flat, np.asarray(scores, np.float32)[:, None]
    return [row.tobytes() for row in np.concatenate(columns, axis=1)]
