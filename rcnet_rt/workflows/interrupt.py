"""Ctrl-C between frames, never inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["between_frames"]


@contextmanager
def between_frames() -> Iterator[Callable[[], None]]:
    """Yield a check to call between frames: it raises KeyboardInterrupt if Ctrl-C was pressed.

    An interrupt that lands inside a decoder's or encoder's callback is swallowed there, and the
    run would go on. A second Ctrl-C interrupts at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def press(number: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    def check() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, press)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
