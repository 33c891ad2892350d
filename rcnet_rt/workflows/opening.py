"""What a run over a video opens that it closes again: drawn frames with their sound, the window."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rcnet_rt.poses.frame import Source
from rcnet_rt.video.audio import Sound, open_sound
from rcnet_rt.video.pipeline import Sink
from rcnet_rt.video.thread_budget import ThreadBudget
from rcnet_rt.video.window import Window
from rcnet_rt.workflows.outputs import Plan, open_drawn
from rcnet_rt.workflows.summary import Tally
from rcnet_rt.workflows.video_stages import Models, VideoOptions

__all__ = ["checks", "open_drawing", "open_window"]


def open_drawing(
    options: VideoOptions,
    one: Plan,
    source: Source,
    budget: ThreadBudget,
    tally: Tally,
    stack: ExitStack,
) -> Sink:
    """Open what takes the drawn frames of a source, with the sound of a video file."""
    assert one.out is not None
    tally.outputs.append(one.out)
    trusted = not options.sandbox
    sound = open_sound(one.part) if trusted and isinstance(one.part, Path) else None
    if sound is not None:
        stack.callback(_end_sound, sound, tally)
    return open_drawn(one.out, source, stack, 2 if options.compare else 1, sound, budget.encoder)


def _end_sound(sound: Sound, tally: Tally) -> None:
    if sound.note is not None:
        tally.notes.append(sound.note)


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
