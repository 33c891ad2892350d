"""The clip of the demo: a view that moves over the street image of ultralytics."""

from __future__ import annotations

import importlib.util
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.errors import SourceError
from rcnet_rt.video.images import read_image
from rcnet_rt.video.sink import VideoSink

__all__ = ["write_clip"]

SIZE = (640, 480)
FRAME_RATE = 15
FRAMES = 45
MAX_WIDTH, MIN_WIDTH = 810, 600  # pixels of the image that a frame spans
CENTRE_Y = 600


def write_clip(path: Path) -> None:
    """Write the clip: 3 s of 640 × 480 at 15 frames a second, H.264, the same every time.

    Raises:
        SourceError: ultralytics or its image is missing.
        OutputError: the file cannot be written.
    """
    import cv2

    street = read_image(_street())
    with VideoSink(path, SIZE, Fraction(FRAME_RATE), Fraction(1, FRAME_RATE)) as sink:
        for index in range(FRAMES):
            view = _view(index / FRAMES, street.shape[1])
            image: Any = cv2.warpAffine(street, view, SIZE, flags=cv2.INTER_LINEAR)
            sink.write(image, Fraction(index, FRAME_RATE))


def _view(share: float, image_width: int) -> Any:
    """Return the 2 × 3 map from the image to a frame: zoom in and out, pan right and left."""
    width = MAX_WIDTH - (MAX_WIDTH - MIN_WIDTH) * math.sin(math.pi * share) ** 2
    scale = SIZE[0] / width
    x = image_width / 2 + (image_width - width) / 2 * math.sin(2 * math.pi * share)
    return np.array(
        [[scale, 0, SIZE[0] / 2 - scale * x], [0, scale, SIZE[1] / 2 - scale * CENTRE_Y]]
    )


def _street() -> Path:
    package = importlib.util.find_spec("ultralytics")  # found without importing it
    if package is None or package.origin is None:
        raise SourceError("the demo needs ultralytics' image of a street: pip install ultralytics")
    return Path(package.origin).parent / "assets" / "bus.jpg"
