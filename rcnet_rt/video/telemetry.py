"""What a run measures about itself: times of the stages, frames, gaps, the age of results.

Every figure is kept in a histogram of fixed size, so that an endless stream needs no more memory
than a short one: 1,400 bins from a microsecond to about eleven days, each 2 % wide; percentiles
are right within 1 %.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rcnet_rt.files.writing import write_atomically
from rcnet_rt.poses.frame import Frame, Gap
from rcnet_rt.video.thread_budget import ThreadBudget

__all__ = ["Histogram", "Telemetry", "write_telemetry"]

BINS, RATIO, SHORTEST = 1400, 1.02, 1e-6
In = TypeVar("In")
Out = TypeVar("Out")


class Histogram:
    """Durations in seconds, counted in bins of equal ratio; threads may share one."""

    def __init__(self) -> None:
        self._alone = threading.Lock()
        self._counts = np.zeros(BINS, np.int64)
        self.count = 0
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        with self._alone:
            self._counts[_bin(seconds)] += 1
            self.count += 1
            self.total += seconds

    def percentile(self, share: float) -> float:
        """Return the duration in seconds that `share` (0 to 1) of all do not exceed, 0 for none.

        >>> histogram = Histogram()
        >>> for milliseconds in range(1, 101): histogram.add(milliseconds / 1000)
        >>> 0.049 < histogram.percentile(0.5) < 0.051
        True
        """
        if self.count == 0:
            return 0.0
        bin_ = int(np.searchsorted(self._counts.cumsum(), max(1.0, share * self.count)))
        return float(SHORTEST * RATIO ** (bin_ + 0.5))

    def cumulative(self, bounds: Sequence[float]) -> tuple[list[int], int, float]:
        """Return how many durations are at most each bound (in seconds), of how many, their sum.

        >>> histogram = Histogram()
        >>> for milliseconds in (1, 20, 300): histogram.add(milliseconds / 1000)
        >>> histogram.cumulative([0.01, 0.1])
        ([1, 2], 3, 0.321)
        """
        with self._alone:
            below, count, total = self._counts.cumsum(), self.count, self.total
        return [int(below[_bin(bound)]) for bound in bounds], count, total

    def figures(self) -> dict[str, float]:
        """Return count, p50, p95, p99 and mean in milliseconds."""
        shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
        named = {name: round(1000 * self.percentile(share), 4) for name, share in shares.items()}
        mean = self.total / self.count if self.count else 0.0
        return {"count": self.count, **named, "mean_ms": round(1000 * mean, 4)}


class Telemetry:
    """Measures one run. Times of a stage are those of one frame in one of its workers.

    Attributes:
        frames_in: frames that the sources gave.
        frames_out: frames that came out at the end.
        dropped: frames that gave way to newer ones.
        gaps: how often frames were missing: a live source lost, a file damaged or joined.
        alarms: how often each kind of drift was noticed.
        age: from a frame's arrival to its result.
        seconds: how long it ran.
        cpu_seconds: that all threads of this process computed meanwhile.
        threads: of its parts; None where nobody shared them out.
    """

    def __init__(self, threads: ThreadBudget | None = None) -> None:
        self.threads = threads
        self.stages = {"decode": Histogram()}
        self.age = Histogram()
        self._cpu: dict[str, Histogram] = {}
        self.frames_in = self.frames_out = self.dropped = self.gaps = self.reconnects = 0
        self.alarms: dict[str, int] = {}
        self._started, self._cpu_started = time.perf_counter(), time.process_time()
        self.seconds = self.cpu_seconds = 0.0

    def timed(
        self, name: str, function: Callable[[list[In]], Iterable[Out]]
    ) -> Callable[[list[In]], list[Out]]:
        """Return the function of several items, its time for each measured under that name."""
        histogram = self.stages.setdefault(name, Histogram())
        cpu = self._cpu.setdefault(name, Histogram())

        def measured(items: list[In]) -> list[Out]:
            start, computed = time.perf_counter(), time.thread_time()
            results = list(function(items))
            seconds = (time.perf_counter() - start) / len(items)
            cpu.add(time.thread_time() - computed)
            for _ in items:
                histogram.add(seconds)
            return results

        return measured

    def incoming(self, items: Iterable[Frame | Gap]) -> Iterator[Frame | Gap]:
        """Pass the items of a source on; how long each took to come is the stage "decode"."""
        decode = self.stages["decode"]
        lost = False
        start = time.perf_counter()
        for item in items:
            if isinstance(item, Gap):
                self.gaps += 1
            else:
                decode.add(time.perf_counter() - start)
                self.frames_in += 1
                self.reconnects += lost
            lost = isinstance(item, Gap)
            yield item
            start = time.perf_counter()

    def outgoing(self, frame: Frame) -> None:
        """Count one frame whose result is complete."""
        self.frames_out += 1
        self.age.add(time.monotonic() - frame.arrived)
        self.seconds = self.since_start()
        self.cpu_seconds = time.process_time() - self._cpu_started

    def alarm(self, what: str) -> None:
        """Count one drift alarm."""
        self.alarms[what] = self.alarms.get(what, 0) + 1

    def since_start(self) -> float:
        """Return the seconds since the measuring began."""
        return time.perf_counter() - self._started

    def share(self, stage: str) -> float:
        """Return which part of the time from frame to frame a stage takes, 0 to 1 and over.

        A stage takes time, too, while its thread waits for a CPU.
        """
        histogram = self.stages.get(stage)
        return histogram.total / self.seconds if histogram and self.seconds else 0.0

    def cpu_share(self, stage: str) -> float:
        """Return which part of the CPU time of this process the threads of a stage take, 0 to 1.

        What threads of a library compute for them is not in it.
        """
        cpu = self._cpu.get(stage)
        return cpu.total / self.cpu_seconds if cpu and self.cpu_seconds else 0.0

    def figures(self) -> dict[str, Any]:
        """Return all values as plain numbers; names that end in `_ms` are milliseconds."""
        return {
            "seconds": round(self.seconds, 4),
            "fps": round(self.frames_out / self.seconds, 3) if self.seconds else 0.0,
            "frames": {"in": self.frames_in, "out": self.frames_out, "dropped": self.dropped},
            "gaps": self.gaps,
            "reconnects": self.reconnects,
            "drift_alarms": dict(self.alarms),
            "age": self.age.figures(),
            "stages": {name: stage.figures() for name, stage in list(self.stages.items())},
            "refine_share": round(self.share("refine"), 6),
            "refine_cpu_share": round(self.cpu_share("refine"), 6),
            "threads": None if self.threads is None else asdict(self.threads),
        }


def _bin(seconds: float) -> int:
    return min(int(math.log(max(seconds, SHORTEST) / SHORTEST) / math.log(RATIO)), BINS - 1)


def write_telemetry(telemetry: Telemetry, path: Path) -> None:
    """Write the figures as JSON, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    write_atomically(path, (json.dumps(telemetry.figures(), indent=2) + "\n").encode())
