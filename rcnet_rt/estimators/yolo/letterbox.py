"""The letterbox of YOLO: an image inside the input of its network, its aspect ratio kept.

Rounded as ultralytics rounds: each side of the resized image, then the padding before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from rcnet_rt.estimators.network import Floats
from rcnet_rt.poses.frame import Image

__all__ = ["GREY", "Placement", "letterbox", "placement"]

GREY = 114  # of the padding

Size = tuple[int, int]  # height, width


@dataclass(frozen=True, eq=False)
class Placement:
    """Where an image stands in the input of a network.

    Attributes:
        scale: (2,) pixels of the input per pixel of the image, along x and y.
        shift: (2,) x and y of the image's corner in the input.
        limit: (2,) width and height of the image.
    """

    scale: Floats
    shift: Floats
    limit: Floats

    def to_image(self, points: Floats) -> Floats:
        """Return (…, 2) points x, y of the input in pixels of the image, moved inside of it."""
        placed: Floats = ((points - self.shift) / self.scale).clip(0, self.limit)
        return placed


def letterbox(image_bgr: Image, size: Size, *, stride: int | None = None) -> Image:
    """Return the (H, W, 3) uint8 input for an image, red first.

    Args:
        image_bgr: (H, W, 3) uint8, blue first.
        size: (height, width) that the image is fitted into.
        stride: None pads to all of `size`; a number pads to multiples of it only.

    >>> image = np.zeros((10, 20, 3), np.uint8)
    >>> letterbox(image, (64, 64)).shape, letterbox(image, (64, 64), stride=16).shape
    ((64, 64, 3), (32, 64, 3))
    """
    height, width = _resized((image_bgr.shape[0], image_bgr.shape[1]), size)
    padding = [size[0] - height, size[1] - width]
    if stride is not None:
        padding = [pixels % stride for pixels in padding]
    top, left = (pixels // 2 for pixels in padding)
    canvas: Image = np.full((height + padding[0], width + padding[1], 3), GREY, np.uint8)
    resized = image_bgr
    if image_bgr.shape[:2] != (height, width):
        resized = np.asarray(cv2.resize(image_bgr, (width, height)), np.uint8)
    canvas[top : top + height, left : left + width] = cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)
    return canvas


@lru_cache(maxsize=64)
def placement(image_size: Size, input_size: Size) -> Placement:
    """Return where an image of a (height, width) stands in an input of a (height, width).

    >>> placed = placement((10, 20), (64, 64))
    >>> placed.scale.tolist(), placed.shift.tolist()
    ([3.200000047683716, 3.200000047683716], [0.0, 16.0])
    """
    height, width = _resized(image_size, input_size)
    return Placement(
        np.array([width / image_size[1], height / image_size[0]], np.float32),
        np.array([(input_size[1] - width) // 2, (input_size[0] - height) // 2], np.float32),
        np.array([image_size[1], image_size[0]], np.float32),
    )


def _resized(image_size: Size, input_size: Size) -> Size:
    """Return the (height, width) of the image inside the input."""
    ratio = min(input_size[0] / image_size[0], input_size[1] / image_size[1])
    return max(round(image_size[0] * ratio), 1), max(round(image_size[1] * ratio), 1)
