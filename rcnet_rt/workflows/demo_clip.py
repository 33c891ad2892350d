"""A short clip that moves over the street picture that comes with ultralytics."""

from __future__ import annotations

import importlib.util
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.errors import SourceError
from rcnet_rt.video.images import read_picture
from rcnet_rt.video.sink import VideoSink

__all__ = ["write_clip"]

SIZE = (640, 480)
FRAME_RATE = 15
FRAMES = 45
WIDEST, NARROWEST = 810, 600  # pixels of the picture that a frame spans
CENTRE_Y = 600


def write_clip(path: Path) -> None:
    """Write the clip: 3 s of 640 × 480 at 15 frames a second, H.264, the same every time.

    Raises:
        SourceError: ultralytics or its picture is missing.
        OutputError: the file cannot be written.
    """
    import cv2

    picture = read_picture(_street())
    with VideoSink(path, SIZE, Fraction(FRAME_RATE), Fraction(1, FRAME_RATE)) as sink:
        for index in range(FRAMES):
            view = _view(index / FRAMES, picture.shape[1])
            image: Any = cv2.warpAffine(picture, view, SIZE, flags=cv2.INTER_LINEAR)
            sink.write(image, Fraction(index, FRAME_RATE))


def _view(share: float, picture_width: int) -> Any:
    """Return the 2 × 3 map from the picture to a frame: zoom in and out, pan right and left."""
    width = WIDEST - (WIDEST - NARROWEST) * math.sin(math.pi * share) ** 2
    scale = SIZE[0] / width
    x = picture_width / 2 + (picture_width - width) / 2 * math.sin(2 * math.pi * share)
    return np.array(
        [[scale, 0, SIZE[0] / 2 - scale * x], [0, scale, SIZE[1] / 2 - scale * CENTRE_Y]]
    )


def _street() -> Path:
    package = importlib.util.find_spec("ultralytics")  # found without importing it
    if package is None or package.origin is None:
        raise SourceError(
            "the demo needs ultralytics' picture of a street: pip install ultralytics"
        )
    return Path(package.origin).parent / "assets" / "bus.jpg"
