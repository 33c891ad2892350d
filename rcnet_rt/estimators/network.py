"""What the decoders of this package ask of a network, and how an image is fitted to its input."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from rcnet_rt.poses.frame import Image

__all__ = ["FittedImage", "Floats", "Network", "Planes", "fit"]

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


class Planes(threading.local):
    """Makes the (batch, 3, H, W) inputs of a network; a thread's next input overwrites its last.

    All but the first of a batch are 0: networks of a fixed batch take no less.

    >>> Planes()(np.full((1, 2, 3), 255, np.uint8), mean=0, std=255).tolist()
    [[[[1.0, 1.0]], [[1.0, 1.0]], [[1.0, 1.0]]]]
    """

    def __init__(self, batch: int = 1) -> None:
        self._batch = batch
        self._values: Floats = np.zeros((batch, 3, 0, 0), np.float32)

    def __call__(self, image_rgb: Image, *, mean: float, std: float) -> Floats:
        """Return (pixel - mean) / std of an (H, W, 3) uint8 image."""
        if self._values.shape[2:] != image_rgb.shape[:2]:
            self._values = np.zeros((self._batch, 3, *image_rgb.shape[:2]), np.float32)
        for plane, pixels in zip(self._values[0], cv2.split(image_rgb), strict=True):
            np.subtract(pixels, np.float32(mean), out=plane, dtype=np.float32)
            np.divide(plane, np.float32(std), out=plane)
        return self._values
