"""Figures about a run: percentiles that are right, a file that is whole."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.errors import OutputError
from rcnet_rt.poses.frame import Frame, Gap
from rcnet_rt.video.telemetry import Histogram, Telemetry, write_telemetry


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_percentiles_are_those_of_numpy_within_two_percent(share: float) -> None:
    values = np.random.default_rng(0).lognormal(-4, 1.5, 20_000)
    histogram = Histogram()
    for value in values:
        histogram.add(float(value))
    assert histogram.percentile(share) == pytest.approx(np.quantile(values, share), rel=0.02)
    assert histogram.total == pytest.approx(values.sum())


def test_impossible_and_endless_durations_count_as_the_nearest() -> None:
    histogram = Histogram()
    assert histogram.percentile(0.5) == 0.0
    for value in (-1.0, 0.0, 1e-9):
        histogram.add(value)
    assert histogram.percentile(0.99) == pytest.approx(1e-6, rel=0.02)
    histogram.add(1e12)
    assert histogram.percentile(1.0) > 86_400


def test_memory_does_not_grow() -> None:
    telemetry = Telemetry()
    work = telemetry.timed("work", lambda items: items)

    def size(count: int) -> int:
        for index in range(count):
            frame = Frame(index, np.zeros((1, 1, 3), np.uint8))
            telemetry.outgoing(*work([frame]))
        histograms = [telemetry.age, *telemetry.stages.values()]
        states = [vars(histogram) | {"_alone": None} for histogram in histograms]
        return len(pickle.dumps(states))

    assert size(5000) <= size(10) + 64


def test_what_is_counted() -> None:
    telemetry = Telemetry()
    frames = [Frame(index, np.zeros((1, 1, 3), np.uint8)) for index in range(4)]
    gap = Gap(1.0, 1, "no data")
    items = [frames[0], frames[1], gap, gap, frames[2], frames[3]]
    assert list(telemetry.incoming(items)) == items
    time.sleep(0.01)
    for frame in frames:
        telemetry.outgoing(frame)
    figures = telemetry.figures()
    assert figures["frames"] == {"in": 4, "out": 4, "dropped": 0}
    assert (figures["gaps"], figures["reconnects"]) == (2, 1)
    assert figures["stages"]["decode"]["count"] == 4
    assert figures["age"]["p50_ms"] > 9
    assert figures["fps"] > 0


def test_share_is_time_in_the_stage_of_all_time() -> None:
    telemetry = Telemetry()
    telemetry.timed("refine", lambda items: [time.sleep(0.02) for _ in items])([None])
    time.sleep(0.02)
    telemetry.outgoing(Frame(0, np.zeros((1, 1, 3), np.uint8)))
    assert 0 < telemetry.share("refine") < 1
    assert telemetry.share("nothing") == 0


def test_cpu_share_counts_computing_and_not_waiting() -> None:
    telemetry = Telemetry()
    telemetry.timed("waits", lambda items: [time.sleep(0.02) for _ in items])([None, None])
    telemetry.timed("computes", lambda items: [_compute(0.02) for _ in items])([None, None])
    telemetry.outgoing(Frame(0, np.zeros((1, 1, 3), np.uint8)))
    assert telemetry.cpu_seconds >= 0.04
    assert 0 < telemetry.cpu_share("waits") < 0.2 < telemetry.cpu_share("computes") <= 1
    assert telemetry.cpu_share("nothing") == 0


def _compute(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_the_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_telemetry(Telemetry(), tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["frames"]["in"] == 0
    with pytest.raises(OutputError, match="missing"):
        write_telemetry(Telemetry(), tmp_path / "missing" / "a.json")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
