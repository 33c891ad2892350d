"""Non-maximum suppression as `torchvision.ops.nms` computes it, in NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rcnet_rt.estimators.network import Floats
from rcnet_rt.poses.boxes import box_iou

__all__ = ["MAX_POSES", "suppress"]

# ultralytics' defaults.
MAX_IOU = 0.7  # of the boxes of two people
MAX_POSES = 300  # of an image
MAX_BOXES = 30_000  # that are compared
CLASS_OFFSET = 7680  # pixels between the boxes of two classes, so that none suppresses another's


def suppress(boxes: Floats, classes: npt.NDArray[np.intp] | None = None) -> npt.NDArray[np.intp]:
    """Return the indices of the boxes that are kept, best first.

    Args:
        boxes: (N, 4) x1, y1, x2, y2, the best first.
        classes: (N,) of each box; None where there is one class.

    >>> boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [50, 0, 60, 9]], np.float32)
    >>> suppress(boxes).tolist(), suppress(boxes, np.array([0, 1, 0])).tolist()
    ([0, 2], [0, 1, 2])
    """
    boxes = boxes[:MAX_BOXES]
    if classes is not None:
        boxes = boxes + np.float32(CLASS_OFFSET) * classes[: len(boxes), None].astype(np.float32)
    kept: list[int] = []
    left = np.arange(len(boxes))
    while len(left) and len(kept) < MAX_POSES:
        best, rest = left[0], left[1:]
        kept.append(int(best))
        left = rest[box_iou(boxes[best][None], boxes[rest])[0] <= MAX_IOU]
    return np.array(kept, np.intp)
