"""Ctrl-C, SIGTERM and SIGHUP between frames, never inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Terminated", "between_frames"]

# What systemd, docker and `timeout` send, and a terminal that is closed; Windows lacks SIGHUP.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))


class Terminated(KeyboardInterrupt):
    """Another process ends this one; outputs are finished as after Ctrl-C.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"Ended by {signal.Signals(number).name}")
        self.number = number


@contextmanager
def between_frames() -> Iterator[Callable[[], None]]:
    """Yield a check to call between frames: it raises if a signal to end came.

    KeyboardInterrupt for Ctrl-C, `Terminated` for SIGTERM and SIGHUP. An exception that is raised
    inside a decoder's or encoder's callback is swallowed there, and the run would go on. A second
    signal acts at once. Signals that are ignored, as SIGHUP under `nohup`, stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    received: list[int] = []
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    ours = {
        number: handler
        for number, handler in handlers.items()
        if handler not in (None, signal.SIG_IGN)
    }

    def restore() -> None:
        for number, handler in ours.items():
            signal.signal(number, handler)

    def receive(number: int, frame: FrameType | None) -> None:
        received.append(number)
        restore()

    def check() -> None:
        if received:
            raise KeyboardInterrupt if received[0] == signal.SIGINT else Terminated(received[0])

    for number in ours:
        signal.signal(number, receive)
    try:
        yield check
    finally:
        restore()
