"""What a run shows of itself: the newest image, scores of the last frames, rates, latency, drops.

view = LiveView(about, threshold, telemetry, drawing)  # a sink of the pipeline
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.monitoring.drift import Change
from rcnet_rt.poses.frame import Gap, Image
from rcnet_rt.serving.jpeg_stream import JpegStream
from rcnet_rt.video.pipeline import Result
from rcnet_rt.video.telemetry import Telemetry
from rcnet_rt.video.threshold import Threshold

__all__ = ["LiveView"]

HISTORY = 300  # frames whose scores are remembered
MAX_POSES = 50  # of a frame, those with the highest refined scores
RATE_SPAN = 3.0  # seconds over which the rate is taken
STALLED = 30.0  # seconds without a frame after which a run is not healthy


@dataclass(frozen=True)
class _Sample:
    """The scores of one frame, and when they came (`time.monotonic()`)."""

    number: int
    came: float
    values: dict[str, Any]


class LiveView:
    """A sink that remembers what viewers may ask for, in bounded memory.

    Args:
        about: what stays the same: source, estimator, weights, raw_threshold.
        threshold: of the run; viewers may move it.
        telemetry: of the run.
        drawing: draws a result, in the thread of the images.

    Attributes:
        images: the stream of the drawn frames.
        poses: how many poses there were so far.
        kept: how many of them were kept.
        drift: what is not as in the reference, as of the last frame.
    """

    def __init__(
        self,
        about: Mapping[str, str | float],
        threshold: Threshold,
        telemetry: Telemetry,
        drawing: Callable[[Result], Image],
    ) -> None:
        self.about, self.threshold, self.telemetry = about, threshold, telemetry
        self.images = JpegStream(drawing)
        self.poses = self.kept = 0
        self.drift: tuple[Change, ...] = ()
        self._lock = threading.Lock()
        self._samples: deque[_Sample] = deque(maxlen=HISTORY)
        self._numbers = itertools.count(1)
        self._started, self._opened = time.time(), time.monotonic()

    def write(self, result: Result) -> None:
        """Take one frame."""
        now = time.monotonic()
        values = {
            "frame": result.frame.index,
            "time": result.frame.time_seconds,
            "latency_ms": round(1000 * (now - result.frame.arrived), 2),
            "threshold": result.threshold,
            **_scores(result),
        }
        with self._lock:
            self.poses += len(result.poses)
            self.kept += int(result.kept.sum())
            self.drift = result.drift
            self._samples.append(_Sample(next(self._numbers), now, values))
        self.images.offer(result)

    def gap(self, gap: Gap) -> None:
        """Telemetry counts gaps."""

    @property
    def fps(self) -> float:
        """Frames a second in the last seconds."""
        with self._lock:
            times = [sample.came for sample in self._samples]
        now = time.monotonic()
        recent = [moment for moment in times if now - moment <= RATE_SPAN]
        return (len(recent) - 1) / (now - recent[0]) if len(recent) > 1 else 0.0

    @property
    def is_healthy(self) -> bool:
        """Whether frames still come."""
        with self._lock:
            last = self._samples[-1].came if self._samples else self._opened
        return time.monotonic() - last < STALLED

    def state(self, after: int = 0) -> dict[str, Any]:
        """Return everything as plain numbers, with the samples whose number is above `after`."""
        with self._lock:
            samples = [sample for sample in self._samples if sample.number > after]
            poses, kept = self.poses, self.kept
        figures = self.telemetry.figures()
        return {
            "started": self._started,
            **self.about,
            "threshold": float(self.threshold),
            "fps": round(self.fps, 2),
            "frames": figures["frames"],
            "gaps": figures["gaps"],
            "drift": [asdict(change) for change in self.drift],
            "drift_alarms": figures["drift_alarms"],
            "poses": poses,
            "kept": kept,
            "latency": figures["age"],
            "stages": figures["stages"],
            "samples": [{"number": sample.number, **sample.values} for sample in samples],
        }

    def close(self) -> None:
        """End the images."""
        self.images.close()


def _scores(result: Result) -> dict[str, Any]:
    """Return the raw and refined scores of a frame, and which are kept."""
    order = np.argsort(-result.poses.scores, kind="stable")[:MAX_POSES]
    return {
        "raw": _numbers(result.poses.estimator_scores[order]),
        "refined": _numbers(result.poses.scores[order]),
        "kept": result.kept[order].tolist(),
    }


def _numbers(values: npt.NDArray[np.float32]) -> list[float | None]:
    return [round(value, 4) if math.isfinite(value) else None for value in values.tolist()]
