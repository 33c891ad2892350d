"""A robot's loop at 30 Hz that slows down for people, and for not knowing.

Looking takes longer than a turn of the loop, so that it has a thread of its own, which only ever
keeps its newest result. The loop never waits for it: it asks how old the result is.

python examples/robot_loop.py
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rcnet_rt import refine

RATE = 30.0  # Hz
MAX_AGE = 0.25  # seconds; what was seen earlier is no ground to move on
BELIEVE = 0.4  # refined score from which there is a person

Detections = tuple[np.ndarray, np.ndarray]  # keypoints (N, 17, 3) with confidences, scores (N,)


@dataclass(frozen=True)
class Seen:
    """What was seen in an image, and when that was taken, on the loop's own clock."""

    people: np.ndarray  # (N, 17, 3)
    time: float


class Eyes:
    """Looks again and again in a thread; `newest` is the last result, or None."""

    def __init__(self, look: Callable[[], Detections]) -> None:
        self.newest: Seen | None = None
        self._look = look
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Eyes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            taken = time.monotonic()  # when the image was taken, not when we were done with it
            self.newest = Seen(believed(*self._look()), taken)


def believed(poses: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the poses that are people.

    on_error="raw": a pose with a NaN in it keeps its raw score. The default would raise, and "drop"
    would lose a person over one bad number. To stop for nobody costs a second; not to stop for
    somebody costs more.
    """
    return poses[refine(poses, scores, on_error="raw") >= BELIEVE]


def speed(seen: Seen | None, now: float) -> float:
    """Return how fast to go, from 0 to 1: not at all by what is stale, slowly among people."""
    if seen is None or now - seen.time > MAX_AGE:
        return 0.0
    return 0.3 if len(seen.people) else 1.0


def pretend() -> Detections:
    """Stand in for a camera and an estimator that take 80 ms, and now and then hang."""
    rng = np.random.default_rng(time.monotonic_ns())
    time.sleep(0.5 if rng.random() < 0.05 else 0.08)
    people = int(rng.integers(0, 3))
    corners = rng.uniform(0, 200, (people, 1, 2))
    keypoints = corners + rng.uniform(0, 200, (people, 17, 2))
    confidences = rng.uniform(0.3, 1.0, (people, 17, 1))
    return np.concatenate([keypoints, confidences], axis=2), rng.uniform(0.2, 0.95, people)


def main(seconds: float = 5.0) -> None:
    """Drive for some seconds, and print the speed where it changes."""
    believed(*pretend())  # loads the weights before anything moves
    last, turns = -1.0, round(seconds * RATE)
    begin = time.monotonic()
    with Eyes(pretend) as eyes:
        for turn in range(turns):
            now = time.monotonic()
            chosen = speed(eyes.newest, now)
            if chosen != last:
                print(f"{now - begin:5.2f} s: speed {chosen}")
                last = chosen
            # By the clock, not by the length of a sleep: late turns do not add up.
            time.sleep(max(0.0, begin + (turn + 1) / RATE - time.monotonic()))


if __name__ == "__main__":
    main()
