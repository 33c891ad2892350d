"""The drift monitor: it learns what is usual, or is told."""

from __future__ import annotations

import numpy as np
import pytest

from rcnet_rt.errors import DatasetError
from rcnet_rt.monitoring.drift import Reference
from rcnet_rt.monitoring.drift_monitor import DriftMonitor
from rcnet_rt.monitoring.frame_statistics import FrameStatistics, block_means
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17

NOBODY = Poses.empty(17)


def image(index: int, brightness: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(index)
    return (rng.integers(50, 150, (60, 80, 3)) * brightness).astype(np.uint8)


def whats(monitor: DriftMonitor, *, start: int, count: int, brightness: float = 1.0) -> list[str]:
    for index in range(start, start + count):
        changes = monitor(image(index, brightness), NOBODY)
    return [change.what for change in changes]


def test_the_first_frames_are_what_is_usual() -> None:
    monitor = DriftMonitor(COCO17, None, 200)
    assert whats(monitor, start=0, count=199, brightness=0.3) == []
    assert monitor.is_learning
    assert whats(monitor, start=199, count=61, brightness=0.3) == []
    assert not monitor.is_learning
    assert "brightness" in whats(monitor, start=260, count=50)


def test_a_given_reference_holds_at_once() -> None:
    measure = FrameStatistics(COCO17)
    values = [measure(image(index), NOBODY) for index in range(200)]
    reference = Reference(block_means(values, 5))
    monitor = DriftMonitor(COCO17, reference, 600)
    assert not monitor.is_learning
    assert whats(monitor, start=300, count=50, brightness=0.3)[0] == "brightness"
    with pytest.raises(DatasetError, match="too few"):
        DriftMonitor(COCO17, Reference(block_means(values[:20], 5)), 600)
    with pytest.raises(DatasetError, match="at least 100 frames, got 99"):
        DriftMonitor(COCO17, None, 99)


def test_frames_around_a_gap_are_not_compared() -> None:
    monitor = DriftMonitor(COCO17, None, 200)
    whats(monitor, start=0, count=200)
    still = image(0)
    for _ in range(3):
        for _ in range(25):
            changes = monitor(still, NOBODY)
        monitor.gap()
    assert all(change.what != "frozen" for change in changes)
    for _ in range(31):
        changes = monitor(still, NOBODY)
    assert any(change.what == "frozen" for change in changes)
