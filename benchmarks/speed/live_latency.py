"""The age of live results: `python benchmarks/speed/live_latency.py VIDEO MODEL SECONDS`.

A video is played at its own pace as if it were a camera, and `process_video(realtime=True)` takes
the newest frame. Prints a JSON object. Imports the package that PYTHONPATH names, and nothing of
this folder, so that another checkout can be measured as well.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from rcnet_rt.poses.frame import Frame
from rcnet_rt.video.source import open_source
from rcnet_rt.workflows import video

__all__ = ["Played", "measure"]

CAMERA = "0"  # any: what it would open is replaced
MAX_FRAMES = 60  # decoded beforehand: a camera costs hardly anything to read


class Played:
    """The first frames of a video, again and again, at their own pace."""

    kind = "camera"
    frame_count = None
    sample_aspect_ratio = None

    def __init__(self, path: Path, seconds: float) -> None:
        with open_source(path) as source:
            self.name, self.size = source.name, source.size
            self.frame_rate, self.time_base = source.frame_rate, Fraction(1, 1_000_000)
            frames = [frame for frame in source if isinstance(frame, Frame)][:MAX_FRAMES]
        self._images = [frame.image_bgr for frame in frames]
        self._seconds = seconds

    def __iter__(self) -> Iterator[Frame]:
        assert self.frame_rate is not None
        start = time.monotonic()
        for index in range(int(self._seconds * self.frame_rate)):
            due = index / float(self.frame_rate)
            time.sleep(max(0.0, start + due - time.monotonic()))
            stamp = Fraction(round(due * 1_000_000), 1_000_000)
            frame = Frame(index, self._images[index % len(self._images)], stamp)
            yield replace(frame, arrived=time.monotonic())

    def stop(self) -> None:
        """Nothing to do: it ends by itself."""

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Played:
        return self

    def __exit__(self, *_: object) -> None: ...


def measure(path: Path, model: str, seconds: float) -> dict[str, float]:
    """Return the age of results, the time of an inference, and the share of frames dropped."""
    video.open_live = lambda part: Played(path, seconds)  # type: ignore[assignment,return-value]
    figures = video.process_video(CAMERA, model=model, realtime=True).finish().telemetry.figures()
    return {
        "age_p50_ms": figures["age"]["p50_ms"],
        "age_p95_ms": figures["age"]["p95_ms"],
        "estimate_p50_ms": figures["stages"]["estimate"]["p50_ms"],
        "dropped": round(figures["frames"]["dropped"] / figures["frames"]["in"], 3),
    }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))))
