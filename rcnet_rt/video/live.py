"""A camera or stream that is opened again whenever it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame, Gap, Kind, Source

__all__ = ["LiveSource"]

MIN_WAIT, MAX_WAIT = 0.5, 10.0  # seconds between two attempts; each waits twice as long
STALE = 1.0  # seconds; the first image may have waited while a model was loaded
MICROSECONDS = 1_000_000


class LiveSource:
    """Frames as they arrive, numbered through; where they stop, a `Gap`, and never a made-up one.

    Times are monotonic seconds since opening, of the arrival.

    Args:
        connect: opens the source, at first and again.

    Raises:
        SourceError: the first attempt fails; later ones go on until `stop`.
    """

    kind: Kind = "camera"
    frame_count: int | None = None

    def __init__(self, connect: Callable[[], Source]) -> None:
        self._connect = connect
        self._start = time.monotonic()
        self._source: Source | None = connect()
        self._stopped = threading.Event()
        self.name, self.size = self._source.name, self._source.size
        self.frame_rate = self._source.frame_rate
        self.sample_aspect_ratio = self._source.sample_aspect_ratio
        self.time_base: Fraction | None = Fraction(1, MICROSECONDS)

    def __iter__(self) -> Iterator[Frame | Gap]:
        index = 0
        while self._source is not None:
            reason = f"{self.name} ended"
            try:
                for item in self._source:
                    if isinstance(item, Frame) and time.monotonic() - item.arrived < STALE:
                        yield replace(item, index=index, time=self._time(item.arrived))
                        index += 1
            except SourceError as error:
                reason = str(error).split(";")[0]
            self._source.close()
            if not self._stopped.is_set():
                yield Gap(float(self._time(time.monotonic())), index - 1, reason)
            self._source = self._again()

    def stop(self) -> None:
        """Make no further attempt; an iteration in another thread ends soon."""
        self._stopped.set()

    def close(self) -> None:
        """Let go of it; closing twice does nothing."""
        self.stop()
        if self._source is not None:
            self._source.close()

    def __enter__(self) -> LiveSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _again(self) -> Source | None:
        """Return the source, opened again after as many attempts as it takes; None when stopped."""
        wait = MIN_WAIT
        while not self._stopped.wait(wait):
            try:
                return self._connect()
            except SourceError:
                wait = min(2 * wait, MAX_WAIT)
        return None

    def _time(self, moment: float) -> Fraction:
        return Fraction(max(0, round((moment - self._start) * MICROSECONDS)), MICROSECONDS)
