"""The study of drift: its shifts, and what it counts, on frames that can be counted by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks.studies.drift import figures
from benchmarks.studies.drift.figures import delays, other_takes, shuffled_segments, simulated
from benchmarks.studies.drift.shifts import MAIN, NONE, SHIFTS
from rcnet_rt.monitoring.frame_statistics import NAMES


@dataclass(frozen=True)
class Recordings:
    """Noise around 100; a shift adds 1,000 to the brightness of the last 100 frames."""

    frames: int = 400

    def statistics(self, clip: str, shift: str) -> np.ndarray:
        rng = np.random.default_rng(sum(map(ord, clip)))
        values = 100 + rng.normal(size=(self.frames, len(NAMES)))
        if shift == NONE:
            return values
        values[:, 0] += 1000
        return values[-100:]


def test_every_shift_keeps_the_shape_and_changes_the_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (450, 800, 3), np.uint8)
    for name, change in SHIFTS.items():
        changed = change(image)
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        assert np.array_equal(changed, image) == (name == NONE)


def test_delays_are_counted_from_the_shift_on() -> None:
    rows = list(delays(Recordings()))
    assert {row["shift"] for row in rows} >= set(MAIN)
    for row in rows:
        assert row["stream_frames"] == 100
        what = "frozen" if row["shift"] == "frozen image" else "brightness"
        assert row["first"] == min(row["alarms"].values()) <= row["alarms"][what] <= 50


def test_without_a_shift_there_is_no_alarm() -> None:
    for row in other_takes(Recordings()):
        assert row["alarms"] == {}
        assert row["first"] is None
    for row in shuffled_segments(Recordings(), draws=3):
        assert row["streams_with_alarm"] == row["alarms_per_million"] == 0


def test_streams_with_an_alarm_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "STREAM", 300)
    rows = {(row["reference"], row["correlated_frames"]): row for row in simulated(2)}
    assert rows[600, 0]["with_alarm"] == rows[600, 0]["with_alarm_by_ranks"] == 0
    assert rows[600, 1000]["with_alarm_by_ranks"] == 1
    assert rows[6000, 0]["block"] == 10
