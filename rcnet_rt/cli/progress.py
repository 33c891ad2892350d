"""A progress bar on stderr, where stderr is a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from rcnet_rt.workflows import progress as workflow
from rcnet_rt.workflows.progress import OnProgress

__all__ = ["epoch_bar", "frame_bar", "part_bar"]


class FramesPerSecond(ProgressColumn):
    """Shows the speed of a task."""

    def render(self, task: Task) -> Text:
        """Return the speed as text."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} fps" if speed else "– fps")


class _FrameBar:
    """One bar, which begins anew with each source; it appears with the first progress."""

    def __init__(self, progress: Progress, stack: ExitStack) -> None:
        self._progress, self._stack = progress, stack
        self._task: TaskID | None = None

    def __call__(self, step: workflow.Progress) -> None:
        if self._task is None:
            self._stack.enter_context(self._progress)
            self._task = self._progress.add_task("")
        if step.message:
            self._progress.console.print(
                step.message, highlight=False, markup=False, soft_wrap=True
            )
        task = self._progress.tasks[0]
        if step.task != task.description or step.done < task.completed:
            self._progress.reset(
                self._task, description=step.task, completed=step.done, total=step.total
            )
        else:
            self._progress.update(self._task, completed=step.done, total=step.total)


@contextmanager
def frame_bar() -> Iterator[OnProgress]:
    """Yield what shows the progress over images and frames, with their rate, and messages."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        FramesPerSecond(),
        TimeRemainingColumn(),
    )
    with ExitStack() as stack:
        yield _FrameBar(_on_terminal(*columns), stack)


@contextmanager
def part_bar() -> Iterator[OnProgress]:
    """Yield what shows the progress over parts, whose number may grow, and messages."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with ExitStack() as stack:
        yield _FrameBar(_on_terminal(*columns, TimeRemainingColumn()), stack)


@contextmanager
def epoch_bar() -> Iterator[OnProgress]:
    """Yield what shows the progress over epochs, with their loss and held-out figures."""
    from rcnet_rt.evaluation.report_rows import formatted, points  # of no use to other commands

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with _on_terminal(*columns) as bar:
        task = bar.add_task("training", total=None)

        def show(step: workflow.Progress) -> None:
            text = f"{step.task}: loss {step.figures['loss']:.4f}"
            ap, accuracy = step.figures["ap"], step.figures["ranking_accuracy"]
            if ap == ap:  # NaN where no image is held out
                text += f", AP {points(ap)}, ranking {formatted(accuracy, '.3f')}"
            bar.update(task, description=text, completed=step.done, total=step.total)

        yield show


def _on_terminal(*columns: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)
