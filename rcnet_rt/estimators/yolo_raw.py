"""YOLO-Pose from the raw output of its network, for runtimes that ultralytics does not bring.

The letterbox, the threshold and the suppression are those of ultralytics.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rcnet_rt.estimators.network import Floats, Network, fit
from rcnet_rt.estimators.yolo_candidates import MAX_CANDIDATES, host_consensus
from rcnet_rt.poses.boxes import box_iou
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring.constants import CANDIDATE_FLOOR
from rcnet_rt.rescoring.nms_consensus import Candidates
from rcnet_rt.rescoring.score_convention import INDEPENDENT, UNIT, UNIT_JOINTS, ScoreConvention

__all__ = ["RawYoloPose", "suppress"]

GREY = 114  # of the padding
MAX_IOU = 0.7  # of the boxes of two people
MAX_POSES = 300  # of an image
SHARES = 4.0  # coordinates that are nowhere beyond are shares of the input, not pixels


class RawYoloPose:
    """YOLO-Pose of COCO's 17 joints, from an output of shape (1, 56, N); with NMS consensus.

    Args:
        network: without suppression inside.
        floor: poses with a lower box confidence are not returned.

    Raises:
        EstimatorError: the network fails.
    """

    family = "yolo-pose"
    skeleton = COCO17
    score_convention = ScoreConvention(UNIT, UNIT_JOINTS, INDEPENDENT)

    def __init__(self, network: Network, *, floor: float) -> None:
        assert network.input_size is not None
        self.name = network.name
        self._network, self._floor, self._size = network, floor, network.input_size
        self._sigmas = np.asarray(COCO17.sigmas, np.float32)
        self._units = np.ones(56, np.float32)
        self._units = _units(self._raw(np.full((*self._size, 3), GREY, np.uint8)), self._size)

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: the network fails.
        """
        size = image_bgr.shape[1], image_bgr.shape[0]
        fitted = fit(image_bgr, self._size, grey=GREY, anchor=0.5)
        raw = self._raw(fitted.rgb)
        raw = raw[raw[:, 4] >= min(self._floor, CANDIDATE_FLOOR)]
        raw = raw[np.argsort(-raw[:, 4], kind="stable")]
        scores, joints = raw[:, 4], raw[:, 5:].reshape(len(raw), -1, 3)
        half = raw[:, 2:4] / np.float32(2)
        corners = np.stack([raw[:, :2] - half, raw[:, :2] + half], axis=1)
        kept = suppress(corners.reshape(-1, 4)[scores >= self._floor])
        limit = np.array(size, np.float32)
        boxes = fitted.to_image(corners).clip(0, limit).reshape(-1, 4)
        keypoints = fitted.to_image(joints[..., :2]).clip(0, limit)
        candidates = scores[:MAX_CANDIDATES] >= CANDIDATE_FLOOR
        count = int(candidates.sum())
        agreement = host_consensus()(
            keypoints[kept],
            boxes[kept],
            Candidates(keypoints[:count], scores[:count], boxes[:count]),
            self._sigmas,
        )
        return Poses(
            keypoints[kept],
            scores[kept],
            keypoint_scores=joints[kept, :, 2],
            boxes=boxes[kept],
            consensus=agreement,
            image_size=size,
        )

    def _raw(self, image_rgb: Image) -> Floats:
        """Return the (N, 56) candidates: middle, sides, score, joints; in pixels of the input."""
        (output,) = self._network.run(image_rgb, std=255)
        candidates: Floats = output[0].T * self._units
        return candidates


def suppress(boxes: Floats) -> npt.NDArray[np.intp]:
    """Return the indices of the boxes that non-maximum suppression keeps; the best come first.

    >>> suppress(np.array([[0, 0, 10, 10], [0, 0, 10, 9], [50, 0, 60, 9]], np.float32)).tolist()
    [0, 2]
    """
    kept: list[int] = []
    left = np.arange(len(boxes))
    while len(left) and len(kept) < MAX_POSES:
        best, rest = left[0], left[1:]
        kept.append(int(best))
        left = rest[box_iou(boxes[best][None], boxes[rest])[0] <= MAX_IOU]
    return np.array(kept, np.intp)


def _units(raw: Floats, size: tuple[int, int]) -> Floats:
    """Return the (56,) factors that make an output of raw candidates pixels.

    Exports to TFLite have given boxes, or boxes and joints, in shares of the input.
    """
    units = np.ones(raw.shape[1], np.float32)
    height, width = size
    for x_columns in (slice(0, 4, 2), slice(5, None, 3)):
        y_columns = slice(x_columns.start + 1, x_columns.stop, x_columns.step)
        if np.abs(raw[:, x_columns]).max() <= SHARES and np.abs(raw[:, y_columns]).max() <= SHARES:
            units[x_columns], units[y_columns] = width, height
    return units
