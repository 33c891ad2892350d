"""Which poses `attach` has refined, so that nothing refines their scores a second time.

Other tools copy the scores of ultralytics' results without a word on where they come from. A pose
is known by its keypoints and its refined score, both to the bit.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["raw_scores_of", "remember"]

CAPACITY = 50_000  # poses: some MB
_known: OrderedDict[bytes, np.float32] = OrderedDict()
_lock = threading.Lock()


def remember(keypoints: npt.ArrayLike, refined: npt.ArrayLike, raw: npt.ArrayLike) -> None:
    """Take note of N poses: (N, K, 2) keypoints, NaN or 0 where not found, and their scores."""
    with _lock:
        for key, score in zip(_keys(keypoints, refined), np.asarray(raw, np.float32), strict=True):
            _known[key] = score
            _known.move_to_end(key)
        while len(_known) > CAPACITY:
            _known.popitem(last=False)


def raw_scores_of(keypoints: npt.ArrayLike, scores: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return the (N,) raw scores of poses whose scores `attach` refined, NaN for the others."""
    with _lock:
        raw = [_known.get(key, np.nan) for key in _keys(keypoints, scores)]
    return np.array(raw, np.float32)


def _keys(keypoints: npt.ArrayLike, scores: npt.ArrayLike) -> list[bytes]:
    points = np.nan_to_num(np.asarray(keypoints, np.float32)) + np.float32(0)  # -0 is 0
    flat = points.reshape(len(points), math.prod(points.shape[1:]))
    columns: Any = flat, np.asarray(scores, np.float32)[:, None]
    return [row.tobytes() for row in np.concatenate(columns, axis=1)]
