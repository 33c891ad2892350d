"""`Frame`, one picture with its place in time, and `Source`, what gives frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Frame", "Image", "Kind", "Source"]

Image = npt.NDArray[np.uint8]
Kind = Literal["video", "pictures", "camera"]


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes:
        index: counts from 0.
        image_bgr: (H, W, 3) uint8, blue first as in OpenCV, upright.
        time: seconds since the source's zero, exact; None for pictures.
        name: file name, for pictures.
    """

    index: int
    image_bgr: Image
    time: Fraction | None = None
    name: str | None = None

    @property
    def time_seconds(self) -> float | None:
        """Time as a plain number, or None for pictures."""
        return None if self.time is None else float(self.time)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        height, width = self.image_bgr.shape[:2]
        return width, height


class Source(Protocol):
    """Frames in order, once; a context manager that closes what it opened."""

    @property
    def name(self) -> str:
        """What people call it: a file's name, "camera 0"."""
        ...

    @property
    def kind(self) -> Kind:
        """One of "video", "pictures", "camera"."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the first frame."""
        ...

    @property
    def frame_rate(self) -> Fraction | None:
        """Frames a second, or None for pictures."""
        ...

    @property
    def frame_count(self) -> int | None:
        """How many frames there are, or None where nobody knows."""
        ...

    @property
    def time_base(self) -> Fraction | None:
        """Unit of the frames' times in seconds, or None for pictures."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Close what is open; closing twice does nothing."""
        ...

    def __enter__(self) -> Source: ...

    def __exit__(self, *error: object) -> None: ...
