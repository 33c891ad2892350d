"""Images as a source: one file or many, in the order given."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame, Image, Kind
from rcnet_rt.video.image_formats import CONVERT, unread_format
from rcnet_rt.video.opencv_log import silence_opencv

__all__ = ["IMAGE_SUFFIXES", "ImageSource", "read_image", "to_8_bits"]

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


class ImageSource:
    """Image files, one frame each; names are relative to the folder they share.

    Raises:
        SourceError: an image is missing or damaged.
    """

    kind: Kind = "images"
    frame_rate: Fraction | None = None
    time_base: Fraction | None = None
    sample_aspect_ratio: Fraction | None = None

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        folder = os.path.commonpath([path.absolute().parent for path in self._paths])
        self._names = [Path(os.path.relpath(path.absolute(), folder)).as_posix() for path in paths]
        self._first = self._frame(0)
        self.name = self._names[0] if len(paths) == 1 else Path(folder).name
        self.size = self._first.size
        self.frame_count: int | None = len(self._paths)

    def __iter__(self) -> Iterator[Frame]:
        yield self._first
        for index in range(1, len(self._paths)):
            yield self._frame(index)

    def stop(self) -> None:
        """Nothing to do: an image is read at once."""

    def close(self) -> None:
        """Nothing stays open between images."""

    def __enter__(self) -> ImageSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _frame(self, index: int) -> Frame:
        return Frame(index, read_image(self._paths[index]), name=self._names[index])


def read_image(path: Path) -> Image:
    """Return an image file as (H, W, 3) uint8, blue first, turned by its EXIF orientation.

    More than 8 bits are reduced to 8 by `to_8_bits`.

    Raises:
        SourceError: it is missing, empty, damaged, or in a format that is not read.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise SourceError(f"image {path} cannot be read: {error.strerror or error}") from error
    image = _decode(data) if data.size else None
    if image is None:
        unread = unread_format(data[:16].tobytes())
        if unread is not None:
            raise SourceError(f"image {path} is {unread}, which is not read; {CONVERT}")
        raise SourceError(
            f"image {path} is empty or damaged and cannot be decoded; replace it or leave it out"
        )
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if image.dtype != np.uint8 and not np.isfinite(image).any():
        raise SourceError(f"image {path} holds no finite number; replace it or leave it out")
    return to_8_bits(image[..., :3])


def to_8_bits(image: npt.NDArray[Any]) -> Image:
    """Return an image of any type as uint8; uint8 images are returned unchanged.

    Integers of 16 bits that span more than half of 0 to 65535, and floats that span more than half
    of 0 to 1, are only scaled. All others, such as the 12 or 14 bits of a thermal camera, are
    stretched linearly from their 0.1st to their 99.9th percentile.

    >>> to_8_bits(np.array([[[0.0, 0.5, 1.0]]])).tolist()
    [[[0, 128, 255]]]
    >>> to_8_bits(np.array([[[100, 600, 1100]]], np.uint16)).tolist()
    [[[0, 128, 255]]]
    """
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    finite = image[np.isfinite(image)]
    full = 1.0 if image.dtype.kind == "f" else float(2**16 - 1)
    lowest, highest = float(finite.min()), float(finite.max())
    low, high = map(float, np.percentile(finite, (0.1, 99.9), method="nearest"))
    if lowest >= 0 and highest <= full and high - low > full / 2:
        low, high = 0.0, full
    elif low == high:
        low, high = lowest, highest
    scaled = (image.astype(np.float64) - low) / (high - low if high > low else 1.0)
    return np.rint(255 * np.clip(np.nan_to_num(scaled), 0, 1)).astype(np.uint8)


def _decode(data: npt.NDArray[np.uint8]) -> npt.NDArray[Any] | None:
    """Return an encoded image with all its bits; (H, W) or more channels where it is not BGR."""
    import cv2

    # The second way reads TIFF files of floats, but ignores the orientation.
    for flags in (cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, cv2.IMREAD_UNCHANGED):
        with silence_opencv(), contextlib.suppress(cv2.error):
            image: npt.NDArray[Any] | None = cv2.imdecode(data, flags)
            if image is not None:
                return image
    return None
