from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rcnet_rt.poses.poses import Poses
from rcnet_rt.serving import live_view
from rcnet_rt.serving.live_view import HISTORY, MAX_POSES, LiveView
from rcnet_rt.video.pipeline import Result

Nth = Callable[[int], Result]


def test_state(view: LiveView, result: Nth) -> None:
    first = result(0)
    view.write(first)
    view.write(result(1))
    state = json.loads(json.dumps(view.state(), allow_nan=False))
    assert (state["source"], state["weights"], state["threshold"]) == ('a "clip".mp4', "none", 0.5)
    assert (state["poses"], state["kept"]) == (10, 2 * first.kept.sum())
    one, two = state["samples"]
    assert [one["number"], two["number"]] == [1, 2]
    assert (two["frame"], two["time"], two["threshold"]) == (1, 0.1, 0.5)
    expected = sorted(first.poses.scores.tolist(), reverse=True)
    np.testing.assert_allclose(one["refined"], expected, atol=1e-4)
    assert one["kept"] == [score >= 0.5 for score in expected]
    assert view.state(after=1)["samples"] == [two]
    assert view.state(after=2)["samples"] == []


def test_memory_is_bounded(view: LiveView, result: Nth) -> None:
    crowd = Poses(np.zeros((200, 17, 2)), np.linspace(0, 1, 200))
    crowd = crowd.with_scores(crowd.scores)
    crowded = replace(result(0), poses=crowd, kept=crowd.scores > 0.5)
    for _ in range(HISTORY + 20):
        view.write(crowded)
    samples = view.state()["samples"]
    assert len(samples) == HISTORY
    assert samples[-1]["number"] == HISTORY + 20
    assert len(samples[-1]["raw"]) == MAX_POSES
    assert samples[-1]["refined"][0] == 1.0, "those with the highest scores"
    assert view.poses == 200 * (HISTORY + 20)


def test_a_raw_score_that_is_no_number_is_null(view: LiveView, result: Nth) -> None:
    poses = replace(result(0).poses, raw_scores=np.array([np.nan, 0, 0, 0, 0], np.float32))
    view.write(replace(result(0), poses=poses))
    assert view.state()["samples"][0]["raw"].count(None) == 1


def test_rate_and_health(view: LiveView, result: Nth, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(live_view.time, "monotonic", lambda: now)
    assert view.fps == 0.0
    for index in range(20):
        view.write(result(index))
        now += 0.1
    assert view.fps == pytest.approx(9.5)
    assert view.is_healthy
    now += live_view.STALLED
    assert not view.is_healthy
    assert view.fps == 0.0
