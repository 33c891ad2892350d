"""Boxes as (N, 4) arrays of x1, y1, x2, y2; NumPy or torch."""

from __future__ import annotations

from rcnet_rt.arrays import Array, namespace

__all__ = ["box_areas", "box_iou"]

LEAST_AREA = 1e-6  # of a union: two empty boxes share nothing


def box_areas(boxes: Array) -> Array:
    """Return the (N,) areas; 0 for a box with a corner before the other.

    >>> import numpy as np
    >>> box_areas(np.array([[0, 0, 2, 3], [1, 1, 0, 5]])).tolist()
    [6, 0]
    """
    xp = namespace(boxes)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return xp.clip(width, 0, None) * xp.clip(height, 0, None)


def box_iou(first: Array, second: Array) -> Array:
    """Return the (N, M) intersection over union; 0 where both boxes are empty.

    >>> import numpy as np
    >>> box_iou(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 2, 2], [1, 0, 2, 2]])).tolist()
    [[1.0, 0.5]]
    """
    xp = namespace(first)
    shared = _shared(first, second, 0) * _shared(first, second, 1)
    union = box_areas(first)[:, None] + box_areas(second) - shared
    return shared / xp.clip(union, LEAST_AREA, None)


def _shared(first: Array, second: Array, axis: int) -> Array:
    """(N, M) length that two boxes share along x (0) or y (1)."""
    xp = namespace(first)
    low = xp.maximum(first[:, axis][:, None], second[:, axis])
    high = xp.minimum(first[:, axis + 2][:, None], second[:, axis + 2])
    return xp.clip(high - low, 0, None)
