"""`Frame`, one image with its place in time, `Gap`, where there is none, and `Source`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from time import monotonic
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Frame", "Gap", "Image", "Kind", "Source"]

Image = npt.NDArray[np.uint8]
Kind = Literal["video", "images", "camera"]


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a source.

    Attributes:
        index: counts from 0.
        image_bgr: (H, W, 3) uint8, blue first as in OpenCV, upright.
        time: seconds since the source's zero, exact; None for images.
        name: file name, for images.
        arrived: `time.monotonic()` when it was there; results are as old as that.
    """

    index: int
    image_bgr: Image
    time: Fraction | None = None
    name: str | None = None
    arrived: float = field(default_factory=monotonic)

    @property
    def time_seconds(self) -> float | None:
        """Time as a plain number, or None for images."""
        return None if self.time is None else float(self.time)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        height, width = self.image_bgr.shape[:2]
        return width, height


@dataclass(frozen=True)
class Gap:
    """Frames are missing: a live source was lost, a file is damaged, or recordings were joined.

    Attributes:
        time: seconds since the source's zero when it was noticed.
        after: index of the last frame before.
        reason: why, in a few words.
    """

    time: float
    after: int
    reason: str


class Source(Protocol):
    """Frames in order, once; a context manager that closes what it opened.

    Live sources have gaps where they were lost, files where they are damaged or were joined.
    """

    @property
    def name(self) -> str:
        """What people call it: a file's name, "camera 0"."""
        ...

    @property
    def kind(self) -> Kind:
        """One of "video", "images", "camera"."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the first frame."""
        ...

    @property
    def frame_rate(self) -> Fraction | None:
        """Frames a second, or None for images."""
        ...

    @property
    def frame_count(self) -> int | None:
        """How many frames there are, or None where nobody knows."""
        ...

    @property
    def time_base(self) -> Fraction | None:
        """Unit of the frames' times in seconds, or None for images."""
        ...

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """Width over height of a pixel; None where pixels are square, or nothing says otherwise."""
        ...

    def __iter__(self) -> Iterator[Frame | Gap]: ...

    def stop(self) -> None:
        """Make an iteration in another thread that waits for the next frame end soon."""
        ...

    def close(self) -> None:
        """Close what is open; closing twice does nothing."""
        ...

    def __enter__(self) -> Source: ...

    def __exit__(self, *error: object) -> None: ...
