"""A progress bar with frames a second, on stderr, and only where somebody looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["Report", "progress_bar"]


class Report:
    """Moves the bar: one task a source."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def start(self, name: str, total: int | None) -> None:
        """Begin with a source of `total` frames, None where nobody knows."""
        self._progress.reset(self._task, description=name, total=total)

    def say(self, message: str) -> None:
        """Write a line above the bar."""
        self._progress.console.print(message, highlight=False, markup=False, soft_wrap=True)

    def advance(self) -> None:
        """Count one frame."""
        self._progress.advance(self._task)


class FramesPerSecond(ProgressColumn):
    """Shows the speed of a task."""

    def render(self, task: Task) -> Text:
        """Return the speed as text."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} fps" if speed else "– fps")


@contextmanager
def progress_bar() -> Iterator[Report]:
    """Show a bar while the block runs; nothing where stderr is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        FramesPerSecond(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield Report(progress)
