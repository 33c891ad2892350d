"""The window of a run over a video, and the check between frames."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from rcnet_rt.video.window import Window
from rcnet_rt.workflows.video_stages import Models, VideoOptions

__all__ = ["checks", "open_window"]


def open_window(
    options: VideoOptions, models: Models, title: str, check: Callable[[], None], stack: ExitStack
) -> Window | None:
    """Open the window of a run, which closes with the stack; None where none is asked for."""
    if not options.show:
        return None
    return stack.enter_context(Window(title, models.draw, models.draw_raw, check))


def checks(check_interrupt: Callable[[], None], window: Window | None) -> Callable[[], None]:
    """Return the check between frames: for Ctrl-C, and for the window's keys."""

    def check() -> None:
        check_interrupt()
        if window is not None:
            window.poll()

    return check
