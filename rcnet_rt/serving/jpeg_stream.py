"""The newest drawn frame as a JPEG for any number of viewers, at the cost of one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rcnet_rt.poses.frame import Image
from rcnet_rt.video.pipeline import Result

__all__ = ["JpegStream"]

MAX_RATE = 15.0  # images a second: enough to watch, and little beside an estimator
MAX_WIDTH = 1600  # pixels; wider images are scaled down
QUALITY = 80  # of JPEG, 0 to 100


class JpegStream:
    """Draws and encodes in a thread of its own, and only while a viewer waits for an image.

    One result and one JPEG are held, however many viewers there are and however slow they are: a
    viewer that comes back late gets the newest image, and those between are skipped.

    Args:
        drawing: draws a result.

    Attributes:
        encoded: how many images were encoded so far.
    """

    def __init__(self, drawing: Callable[[Result], Image]) -> None:
        self._drawing = drawing
        lock = threading.Lock()
        self._offered, self._published = threading.Condition(lock), threading.Condition(lock)
        self._result: Result | None = None
        self._offers = 0  # number of the result, which counts from 1
        self._number, self._jpeg = 0, b""  # the newest image, with the number of its result
        self._waiting = 0  # viewers
        self._closed = False
        self._error: Exception | None = None
        self.encoded = 0
        self._thread = threading.Thread(
            target=self._encode_while_open, name="rcnet-rt live view", daemon=True
        )
        self._thread.start()

    def offer(self, result: Result) -> None:
        """Take a newer result; returns at once.

        Raises:
            Exception: whatever the drawing raised before.
        """
        with self._offered:
            if self._error is not None:
                raise self._error
            self._result = result
            self._offers += 1
            self._offered.notify()

    def after(self, number: int, seconds: float) -> tuple[int, bytes]:
        """Return an image of the newest result, or of a later one, and its number.

        Args:
            number: of the image that the viewer has; 0 at first.
            seconds: after which, if no result is newer, the same comes again; (0, b"") before any.

        Raises:
            EOFError: there will be no more.
        """
        with self._published:
            wanted = max(number + 1, self._offers)
            self._waiting += 1
            self._offered.notify()
            try:
                self._published.wait_for(lambda: self._closed or self._number >= wanted, seconds)
            finally:
                self._waiting -= 1
            if self._closed:
                raise EOFError
            return self._number, self._jpeg

    def close(self) -> None:
        """End the thread, and what viewers wait for; closing twice does nothing."""
        with self._offered:
            self._closed = True
            self._result = None
            self._offered.notify_all()
            self._published.notify_all()
        self._thread.join()

    def _encode_while_open(self) -> None:
        number = 0
        while True:
            start = time.monotonic()
            with self._offered:
                self._offered.wait_for(
                    lambda: self._closed or (self._waiting and self._offers > self._number)
                )
                number, result = self._offers, self._result
            if result is None:
                return
            try:
                jpeg = _jpeg(self._drawing(result))
            except Exception as error:
                self._error = error  # raised where the next result is offered
                return
            with self._published:
                self._number, self._jpeg = number, jpeg
                self.encoded += 1
                self._published.notify_all()
                rest = start + 1 / MAX_RATE - time.monotonic()
                self._offered.wait_for(lambda: self._closed, max(rest, 0.0))


def _jpeg(image_bgr: Image) -> bytes:
    import cv2

    height, width = image_bgr.shape[:2]
    scaled = image_bgr
    if width > MAX_WIDTH:
        size = MAX_WIDTH, max(1, round(height * MAX_WIDTH / width))
        scaled = cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", scaled, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return bytes(encoded.tobytes())
