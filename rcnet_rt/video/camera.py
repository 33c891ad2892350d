"""A camera of this machine, through OpenCV."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame, Kind
from rcnet_rt.video.opencv_log import silence_opencv

__all__ = ["CameraSource"]

MICROSECONDS = 1_000_000


class CameraSource:
    """The images of a camera as they come; times are monotonic seconds since opening.

    Raises:
        SourceError: there is no such camera, or it stops answering.
    """

    kind: Kind = "camera"
    frame_count: int | None = None
    sample_aspect_ratio: Fraction | None = None

    def __init__(self, index: int) -> None:
        import cv2

        self.name = f"camera {index}"
        with silence_opencv():
            self._camera: Any = cv2.VideoCapture(index)
            opened = self._camera.isOpened()
            rate = self._camera.get(cv2.CAP_PROP_FPS) if opened else 0.0
        if not opened:
            raise SourceError(
                f"camera {index} cannot be opened; check that it is plugged in, that no other "
                "program uses it, or try another index"
            )
        self._start = time.monotonic()
        self._first: Frame | None = self._read(0)
        self.size = self._first.size
        self.time_base: Fraction | None = Fraction(1, MICROSECONDS)
        # Many cameras report 0, or NaN.
        self.frame_rate: Fraction | None = (
            Fraction(round(rate)) if 1 <= rate <= 1000 else Fraction(30)
        )

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        if self._first is not None:
            first, self._first = self._first, None
            yield first
            index = 1
        while True:
            yield self._read(index)
            index += 1

    def stop(self) -> None:
        """Nothing to do: a camera answers, or fails."""

    def close(self) -> None:
        """Give the camera back; closing twice does nothing."""
        self._camera.release()

    def __enter__(self) -> CameraSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, index: int) -> Frame:
        with silence_opencv():
            answered, image = self._camera.read()
        if not answered or image is None:
            self.close()
            raise SourceError(f"{self.name} gave no image {index}; check its cable and start again")
        elapsed = round((time.monotonic() - self._start) * MICROSECONDS)
        return Frame(index, image, time=Fraction(elapsed, MICROSECONDS))
