"""What the decoders of this package ask of a network, and how an image is fitted to its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from rcnet_rt.poses.frame import Image

__all__ = ["FittedImage", "Floats", "Network", "fit", "planes"]

Floats = npt.NDArray[np.float32]


class Network(Protocol):
    """A network with one image as its input, whatever runs it."""

    @property
    def name(self) -> str:
        """What it is called in messages and in the header of JSON Lines."""
        ...

    @property
    def streams(self) -> int:
        """How many threads may call it at once."""
        ...

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(height, width) of the image that it takes; None where it takes any."""
        ...

    def run(self, image_rgb: Image, *, mean: float = 0.0, std: float = 1.0) -> list[Floats]:
        """Return its outputs for an (H, W, 3) image; float input is (pixel - mean) / std.

        Raises:
            EstimatorError: it fails.
        """
        ...


@dataclass(frozen=True, eq=False)
class FittedImage:
    """An image inside the input of a network, its aspect ratio kept.

    Attributes:
        rgb: (H, W, 3) uint8, the input.
        ratio: pixels of the input per pixel of the image.
    """

    rgb: Image
    ratio: float

    def to_image(self, points: Floats) -> Floats:
        """Return (…, 2) points x, y of the input in pixels of the image."""
        placed: Floats = points / np.float32(self.ratio)
        return placed


def fit(image_bgr: Image, size: tuple[int, int], *, grey: int) -> FittedImage:
    """Resize an image so that it fills an input from its upper left, and pad the rest with grey.

    Args:
        image_bgr: (H, W, 3) uint8, blue first.
        size: (height, width) of the input.
        grey: value of the padding, 0 to 255.

    >>> fitted = fit(np.zeros((10, 20, 3), np.uint8), (40, 40), grey=114)
    >>> fitted.ratio, fitted.rgb[19, 0].tolist(), fitted.rgb[20, 0].tolist()
    (2.0, [0, 0, 0], [114, 114, 114])
    """
    ratio = min(size[0] / image_bgr.shape[0], size[1] / image_bgr.shape[1])
    height, width = (max(round(side * ratio), 1) for side in image_bgr.shape[:2])
    canvas: Image = np.full((*size, 3), grey, np.uint8)
    canvas[:height, :width] = cv2.resize(image_bgr, (width, height))
    return FittedImage(np.ascontiguousarray(canvas[..., ::-1]), ratio)


def planes(image_rgb: Image, *, mean: float, std: float, batch: int = 1) -> Floats:
    """Return the (batch, 3, H, W) input of a network for an image: (pixel - mean) / std.

    All but the first of the batch are 0: networks of a fixed batch take no less.

    >>> planes(np.full((1, 2, 3), 255, np.uint8), mean=0, std=255).tolist()
    [[[[1.0, 1.0]], [[1.0, 1.0]], [[1.0, 1.0]]]]
    """
    values: Floats = np.asarray(cv2.dnn.blobFromImage(image_rgb), np.float32)
    if mean:
        values -= np.float32(mean)
    values /= np.float32(std)
    if batch == 1:
        return values
    return np.concatenate([values, np.zeros((batch - 1, *values.shape[1:]), np.float32)])
