"""The drift alarm of a video run: its monitor, its events in files, its messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from rcnet_rt.datasets.jsonl import JsonLinesWriter
from rcnet_rt.errors import DatasetError
from rcnet_rt.monitoring.drift import Change
from rcnet_rt.monitoring.drift_monitor import DriftMonitor, begun, ended
from rcnet_rt.poses.frame import Gap
from rcnet_rt.video.pipeline import Result
from rcnet_rt.video.telemetry import Telemetry
from rcnet_rt.workflows.summary import Tally
from rcnet_rt.workflows.video_stages import Models, VideoOptions

__all__ = ["DriftSink", "drift_messages", "open_monitor"]


def open_monitor(
    options: VideoOptions, models: Models, tally: Tally, stack: ExitStack
) -> DriftMonitor | None:
    """Return the drift monitor of one source; None where none is asked for.

    With a profile of the camera there is one, unless the profile is too short for it. When the
    stack is closed, it is noted if there never was a reference.

    Raises:
        DatasetError: the alarm is asked for, and the profile is too short for it.
    """
    profile = models.profile
    if not (options.drift_alarm or profile):
        return None
    skeleton = models.estimator.skeleton
    reference = None if profile is None else profile.statistics
    try:
        monitor = DriftMonitor(skeleton, reference, options.drift_reference)
    except DatasetError as error:
        if options.drift_alarm:
            raise
        tally.notes.append(str(error))
        return None
    stack.callback(_note_learning, monitor, options, tally)
    return monitor


@dataclass
class DriftSink:
    """Counts drift alarms, and writes an event where one begins or ends.

    Attributes:
        telemetry: counts.
        writer: of the events; None writes none.
        active: the changes of the last frame.
    """

    telemetry: Telemetry
    writer: JsonLinesWriter | None
    active: tuple[Change, ...] = ()

    def write(self, result: Result) -> None:
        """Take one frame."""
        for change in begun(self.active, result.drift):
            self.telemetry.alarm(change.what)
            self._event("drift", result, change)
        for change in ended(self.active, result.drift):
            self._event("drift over", result, change)
        self.active = result.drift

    def gap(self, gap: Gap) -> None:
        """A change lasts until frames say otherwise."""

    def _event(self, name: str, result: Result, change: Change) -> None:
        if self.writer is not None:
            self.writer.event(
                name,
                time=result.frame.time_seconds,
                after=result.frame.index - 1,
                what=change.what,
                text=change.text,
                before=change.before,
                now=change.now,
            )


def drift_messages(before: tuple[Change, ...], result: Result) -> Iterator[str]:
    """Yield a sentence for every change that begins or ends with a result."""
    index = result.frame.index
    for change in begun(before, result.drift):
        yield f"drift alarm at frame {index}: {change.text}"
    for change in ended(before, result.drift):
        yield f"drift over at frame {index}: {change.text}"


def _note_learning(monitor: DriftMonitor, options: VideoOptions, tally: Tally) -> None:
    if monitor.is_learning:
        tally.notes.append(
            f"no drift alarm was possible: the reference is the first {options.drift_reference} "
            "frames, and there were fewer; choose a smaller --drift-reference"
        )
