"""What the node does, without ROS: an image in, poses with raw and refined scores out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt import Poses, Refiner, estimators

SECOND = 1_000_000_000  # nanoseconds, which is how ROS counts
FLOOR = 0.05  # low: bringing good poses with bad raw scores back is the point

# Encodings of sensor_msgs/Image that are read: bytes a pixel, and where blue, green and red are.
ENCODINGS = {
    "bgr8": (3, (0, 1, 2)),
    "rgb8": (3, (2, 1, 0)),
    "bgra8": (4, (0, 1, 2)),
    "rgba8": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
}


@dataclass(frozen=True)
class Answer:
    """The poses of an image that was young enough.

    Attributes:
        poses: with raw and refined scores.
        kept: (N,) whose refined score reaches the threshold.
        image_size: (width, height) in pixels.
    """

    poses: Poses
    kept: npt.NDArray[np.bool_]
    image_size: tuple[int, int]


class PoseRefinement:
    """Estimates and refines the poses of images that are not too old.

    Args:
        model: as for `rcnet-rt run --model`.
        threshold: refined score from which a pose is kept: "auto", "p95" or a number.
        max_age: seconds; an older image is not looked at: acting on it would be acting late.
        device: where the estimator runs.
    """

    def __init__(
        self,
        model: str = "yolo-pose",
        threshold: str | float = "auto",
        max_age: float = 0.2,
        device: str = "auto",
    ) -> None:
        self._estimator = estimators.load(model, floor=FLOOR, device=device)
        self._refiner = Refiner(_weights(estimators.family(model)))
        self._threshold = self._refiner.weights.threshold(threshold)
        self._max_age = max_age
        self.stale = 0  # images that came too late

    def answer(self, image: Any, stamp: int, now: int) -> Answer | None:
        """Return the poses in a `sensor_msgs/Image`, or None if it is too old.

        Args:
            image: the message, or anything with its height, width, encoding, step and data.
            stamp: when it was taken, in nanoseconds.
            now: nanoseconds of the same clock.
        """
        if now - stamp > self._max_age * SECOND:
            self.stale += 1
            return None
        # A pose with a faulty number keeps its raw score: better shown than lost.
        poses = self._refiner(self._estimator.estimate(image_bgr(image)), on_error="raw")
        return Answer(poses, poses.scores >= self._threshold, (image.width, image.height))


def image_bgr(image: Any) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3) uint8, blue first, of a `sensor_msgs/Image`; rows may be padded."""
    if image.encoding not in ENCODINGS:
        raise ValueError(f"encoding {image.encoding!r}; expected {', '.join(ENCODINGS)}")
    depth, order = ENCODINGS[image.encoding]
    rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
    pixels = rows[:, : image.width * depth].reshape(image.height, image.width, depth)
    return np.ascontiguousarray(pixels[:, :, order])


def _weights(family: str) -> str:
    """The estimator's own weights where they are shipped, else those for any."""
    from rcnet_rt.rescoring.weights_io import available

    return family if family in available() else "auto"
