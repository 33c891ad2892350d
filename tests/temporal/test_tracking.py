"""Tracks: one person, one id, through noise, crossings, gaps and uneven time."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from rcnet_rt.errors import BackendError, PosesError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.temporal.tracking import LOST_AFTER, ByteTrack, Tracker, followed


@pytest.fixture
def follow() -> Tracker:
    pytest.importorskip("trackers", reason="pip install 'rcnet-rt[track]'")
    return ByteTrack(least=0.3)


def walkers(time: float, scores: npt.ArrayLike = (0.9, 0.8, 0.7)) -> Poses:
    """Three people, 150 pixels apart, who walk 60 pixels a second."""
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 100, (3, 17, 2)) + np.arange(3)[:, None, None] * 150
    noise = np.random.default_rng(int(time * 1e6)).normal(0, 1, 2)
    keypoints = keypoints + np.array([60 * time, 0.0]) + noise
    boxes = np.concatenate([keypoints.min(1), keypoints.max(1)], axis=1)
    return Poses(keypoints, scores, boxes=boxes)


def ids(poses: Poses) -> list[int]:
    assert poses.track_ids is not None
    return poses.track_ids.tolist()


def test_everybody_has_an_id_from_the_first_frame_on_and_keeps_it(follow: Tracker) -> None:
    rng = np.random.default_rng(1)
    time = 0.0
    for _ in range(60):
        order = rng.permutation(3)
        poses = follow(walkers(time)[order], time)
        assert ids(poses) == order.tolist()
        time += rng.uniform(0.01, 0.12)


def test_poses_stay_as_they_are(follow: Tracker) -> None:
    poses = walkers(0.0)
    new = follow(poses, 0.0)
    for name in ("keypoints", "scores", "boxes"):
        np.testing.assert_array_equal(getattr(new, name), getattr(poses, name))


def test_boxes_are_not_needed(follow: Tracker) -> None:
    for frame in range(5):
        assert ids(follow(replace(walkers(frame / 30), boxes=None), frame / 30)) == [0, 1, 2]


def test_a_low_score_goes_on_with_a_track_and_starts_none(follow: Tracker) -> None:
    assert ids(follow(walkers(0.0, (0.9, 0.1, 0.9)), 0.0)) == [0, -1, 1]
    assert ids(follow(walkers(0.1, (0.1, 0.1, 0.9)), 0.1)) == [0, -1, 1]
    assert ids(follow(walkers(0.2, (0.9, 0.5, 0.1)), 0.2)) == [0, 2, 1]


@pytest.mark.parametrize(("gap", "same"), [(0.8 * LOST_AFTER, True), (1.2 * LOST_AFTER, False)])
def test_a_gap(follow: Tracker, gap: float, same: bool) -> None:
    for frame in range(10):
        follow(walkers(frame / 30), frame / 30)
    follow(Poses.empty(17), 0.35)
    later = 0.3 + gap
    assert (ids(follow(walkers(later), later)) == [0, 1, 2]) == same


def test_newcomers_get_ids_of_their_own(follow: Tracker) -> None:
    assert ids(follow(walkers(0.0)[:1], 0.0)) == [0]
    assert sorted(ids(follow(walkers(0.1)[[2, 0, 1]], 0.1))) == [0, 1, 2]


def test_two_poses_at_the_same_place_get_two_ids(follow: Tracker) -> None:
    twice = walkers(0.0)[[0, 0]]
    assert sorted(ids(follow(twice, 0.0))) == [0, 1]


def test_nobody_and_faulty_poses(follow: Tracker) -> None:
    assert ids(follow(Poses.empty(17), 0.0)) == []
    keypoints = walkers(0.1).keypoints.copy()
    keypoints[1, 4] = np.inf
    assert ids(follow(replace(walkers(0.1), keypoints=keypoints), 0.1)) == [0, -1, 1]
    assert ids(follow(Poses.empty(17), 0.2)) == []


def test_time_that_stands_still_or_runs_back(follow: Tracker) -> None:
    for time in (1.0, 1.0, 0.5, 1.1):
        assert ids(follow(walkers(1.0), time)) == [0, 1, 2]
    with pytest.raises(PosesError, match="time: expected seconds"):
        follow(walkers(1.0), float("inf"))


def test_followed() -> None:
    poses = walkers(0.0)
    assert followed(poses).tolist() == []
    assert followed(replace(poses, track_ids=[4, -1, 2])).tolist() == [0, 2]
    with pytest.raises(PosesError, match="have the id 4"):
        followed(replace(poses, track_ids=[4, 1, 4]))


def test_one_sentence_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(BackendError, match=r"pip install 'rcnet-rt\[track\]'"):
        ByteTrack(least=0.3)
