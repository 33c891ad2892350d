"""Boxes as (N, 4) arrays of x1, y1, x2, y2; NumPy or torch."""

from __future__ import annotations

from rcnet_rt.poses.arrays import Array, clip_low, namespace

__all__ = ["box_areas", "box_iou", "box_sides"]

MIN_AREA = 1e-6  # of a union: two empty boxes share nothing


def box_sides(boxes: Array) -> Array:
    """Return the (2, N) widths and heights; negative for a box with a corner before the other."""
    corners = boxes.T
    return corners[2:] - corners[:2]


def box_areas(boxes: Array) -> Array:
    """Return the (N,) areas; 0 for a box with a corner before the other.

    >>> import numpy as np
    >>> box_areas(np.array([[0, 0, 2, 3], [1, 1, 0, 5]])).tolist()
    [6, 0]
    """
    return clip_low(box_sides(boxes), 0).prod(axis=0)


def box_iou(first: Array, second: Array) -> Array:
    """Return the (N, M) intersection over union; 0 where both boxes are empty.

    >>> import numpy as np
    >>> box_iou(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 2, 2], [1, 0, 2, 2]])).tolist()
    [[1.0, 0.5]]
    """
    xp = namespace(first)
    corners, others = first[:, :, None], second.T
    low = xp.maximum(corners[:, :2], others[:2])
    high = xp.minimum(corners[:, 2:], others[2:])
    sides = clip_low(high - low, 0)
    shared = sides[:, 0] * sides[:, 1]
    union = box_areas(first)[:, None] + box_areas(second) - shared
    return shared / clip_low(union, MIN_AREA)
