"""Images as a source: one file or many, in the order given."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame, Image, Kind

__all__ = ["IMAGE_SUFFIXES", "ImageSource", "read_image"]

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
    """Return an image file as (H, W, 3) uint8, blue first, turned as its EXIF data says.

    Raises:
        SourceError: it is missing, empty or damaged.
    """
    import cv2

    from rcnet_rt.video.opencv_log import silence_opencv

    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise SourceError(f"image {path} cannot be read: {error.strerror or error}") from error
    image: Any = None
    if data.size:
        with silence_opencv():
            try:
                image = cv2.imdecode(data, cv2.IMREAD_COLOR)
            except cv2.error:
                image = None
    if image is None:
        raise SourceError(
            f"image {path} is empty or damaged and cannot be decoded; replace it or leave it out"
        )
    return image  # type: ignore[no-any-return]
