"""Scores over time: what must hold for whatever comes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcnet_rt.errors import PosesError
from rcnet_rt.poses.arrays import logit, sigmoid
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import CROWDPOSE14
from rcnet_rt.temporal.smoothing import ScoreSmoothing
from rcnet_rt.temporal.tracking import LOST_AFTER

PEOPLE = 5


def people(scores: npt.ArrayLike, ids: npt.ArrayLike | None = None, seed: int = 0) -> Poses:
    """Some people with ids from 0 on, and these scores; the same seed, the same poses."""
    rng = np.random.default_rng(seed)
    count = len(np.asarray(scores))
    keypoints = rng.uniform(0, 300, (count, 1, 2)) + rng.uniform(0, 150, (count, 17, 2))
    return Poses(
        keypoints,
        scores,
        keypoint_scores=rng.uniform(0.1, 1, (count, 17)),
        boxes=np.concatenate([keypoints.min(1) - 5, keypoints.max(1) + 5], axis=1),
        track_ids=np.arange(count) if ids is None else ids,
    )


def moved(poses: Poses, scale: float, shift: tuple[float, float]) -> Poses:
    """The same people somewhere else, larger or smaller."""
    assert poses.boxes is not None
    return replace(
        poses,
        keypoints=poses.keypoints * scale + shift,
        boxes=poses.boxes * scale + np.tile(shift, 2),
    )


unit_scores = st.lists(st.floats(0, 1, width=32), min_size=PEOPLE, max_size=PEOPLE)
steps = st.tuples(st.floats(0, 2), st.integers(0, 3), unit_scores)


@given(st.lists(steps, max_size=8))
def test_finite_and_in_0_1(video: list[tuple[float, int, list[float]]]) -> None:
    score, time = ScoreSmoothing(), 0.0
    for step, seed, scores in video:
        time += step
        poses = people(scores, seed=seed)
        new = score(poses, time)
        assert np.isfinite(new.scores).all()
        assert ((new.scores >= 0) & (new.scores <= 1)).all()
        assert new.keypoints is poses.keypoints or (new.keypoints == poses.keypoints).all()
        assert len(score) <= PEOPLE


@given(unit_scores)
def test_a_single_frame_keeps_its_scores_to_the_bit(scores: list[float]) -> None:
    poses = people(scores)
    np.testing.assert_array_equal(ScoreSmoothing()(poses, 3.0).scores, poses.scores)


@given(st.lists(st.floats(1e-4, 1 - 1e-4), min_size=PEOPLE, max_size=PEOPLE))
def test_what_is_constant_stays(scores: list[float]) -> None:
    score, poses = ScoreSmoothing(), people(scores)
    for frame in range(40):
        new = score(poses, frame / 30)
    np.testing.assert_allclose(new.scores, poses.scores, atol=1e-6)


@given(st.lists(steps, min_size=1, max_size=5), st.permutations(range(PEOPLE)))
def test_the_order_of_the_poses_does_not_matter(
    video: list[tuple[float, int, list[float]]], order: list[int]
) -> None:
    straight, shuffled, time = ScoreSmoothing(), ScoreSmoothing(), 0.0
    for step, seed, scores in video:
        time += step
        poses = people(scores, seed=seed)
        np.testing.assert_allclose(
            straight(poses, time).scores[order], shuffled(poses[order], time).scores, rtol=1e-6
        )


def test_the_mean_is_weighed_by_age_and_agreement() -> None:
    """Three frames of one person by hand; he only walks, so the agreement is 1."""
    score = ScoreSmoothing(memory=0.5)
    frames = [people([value]) for value in (0.8, 0.4, 0.6)]
    score(frames[0], 0.0)
    score(moved(frames[1], 1.3, (40, -7)), 0.1)
    new = score(moved(frames[2], 0.8, (-20, 90)), 0.4)
    decay = np.exp(-np.array([0.1, 0.3]) / 0.5)
    weights = np.array([decay[0] * decay[1], decay[1], 1.0])
    mean = weights @ logit(np.array([0.8, 0.4, 0.6])) / weights.sum()
    np.testing.assert_allclose(new.scores, sigmoid(mean), rtol=1e-5)


def test_a_pose_that_disagrees_stands_for_itself() -> None:
    before, after = people([0.9]), people([0.1], seed=1)
    scores = [
        _second(before, replace(before, scores=[0.1])),
        _second(before, replace(before, keypoints=before.keypoints + _jitter(), scores=[0.1])),
        _second(before, after),
    ]
    assert scores[0] == pytest.approx(0.44, abs=0.02)
    assert scores[0] > scores[1] > scores[2]
    assert scores[2] == pytest.approx(0.1, abs=0.01)


def _jitter() -> npt.NDArray[np.float64]:
    return np.random.default_rng(3).normal(0, 15, (1, 17, 2))


def _second(before: Poses, after: Poses) -> float:
    score = ScoreSmoothing()
    score(before, 0.0)
    return float(score(after, 0.1).scores[0])


def test_joints_that_nobody_is_sure_of_do_not_disagree() -> None:
    before = people([0.9])
    sure = np.ones((1, 17))
    sure[0, 13:] = 0
    keypoints = before.keypoints.copy()
    keypoints[0, 13:] += 200
    same = replace(before, keypoint_scores=sure)
    other = replace(same, keypoints=keypoints, scores=[0.1])
    assert _second(same, other) == _second(same, replace(same, scores=[0.1]))


def test_joints_that_were_not_found_are_passed_over() -> None:
    before = people([0.9])
    keypoints = before.keypoints.copy()
    keypoints[0, :8] = np.nan
    half = replace(before, keypoints=keypoints, scores=[0.1])
    assert _second(before, half) == pytest.approx(_second(before, replace(before, scores=[0.1])))
    keypoints[:] = np.nan
    nothing = replace(half, keypoints=keypoints)
    assert _second(before, nothing) == pytest.approx(0.1)


def test_evidence_fades_in_seconds_not_frames() -> None:
    """A constant 0.9, then 0.1: after as many seconds the same, at whatever frame rate."""
    ends = []
    for rate in (60, 120):
        score, still = ScoreSmoothing(), people([0.9])
        for frame in range(3 * rate):
            score(still, frame / rate)
        for frame in range(3 * rate, int(3.3 * rate)):
            new = score(replace(still, scores=[0.1]), frame / rate)
        ends.append(float(new.scores[0]))
    assert ends[0] == pytest.approx(ends[1], abs=0.02)
    after_gap = [_after(gap) for gap in (0.05, 0.4, 0.9)]
    assert after_gap == sorted(after_gap, reverse=True)


def _after(gap: float) -> float:
    score, still = ScoreSmoothing(), people([0.9])
    score(still, 0.0)
    return float(score(replace(still, scores=[0.1]), gap).scores[0])


def test_tracks_that_end_are_forgotten() -> None:
    score = ScoreSmoothing()
    for frame in range(1000):
        score(people([0.5, 0.5], ids=[2 * frame, 2 * frame + 1]), frame / 30)
        assert len(score) <= 2 * (30 * LOST_AFTER + 1)
    score(Poses.empty(17), 1000.0)
    assert len(score) == 0
    assert _after(LOST_AFTER + 0.01) == pytest.approx(0.1)


def test_a_clock_that_jumps_back_begins_anew() -> None:
    score, still = ScoreSmoothing(), people([0.9])
    score(still, 100.0)
    changed = replace(still, scores=[0.1])
    assert score(changed, 0.0).scores[0] == np.float32(0.1)


def test_without_ids_scores_stay() -> None:
    score = ScoreSmoothing()
    for poses in (people([0.3, 0.4], ids=[-1, -1]), replace(people([0.3]), track_ids=None)):
        for frame in range(3):
            new = score(poses, frame / 30)
            np.testing.assert_array_equal(new.scores, poses.scores)
            np.testing.assert_array_equal(new.raw_scores, poses.scores)
    assert len(score) == 0


def test_faulty_poses_keep_their_scores_and_leave_no_trace() -> None:
    score, good = ScoreSmoothing(), people([0.9])
    keypoints = good.keypoints.copy()
    keypoints[0, 3] = np.inf
    for poses in (replace(good, keypoints=keypoints), replace(good, scores=[np.nan])):
        np.testing.assert_array_equal(score(poses, 0.0).scores, poses.scores)
    assert len(score) == 0


def test_the_raw_scores_stay() -> None:
    refined = people([0.9]).with_scores([0.5])
    np.testing.assert_array_equal(ScoreSmoothing()(refined, 0.0).raw_scores, np.float32([0.9]))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: ScoreSmoothing(memory=0), "above 0"),
        (lambda: ScoreSmoothing(CROWDPOSE14)(people([0.5]), 0.0), "14 keypoints, got 17"),
        (lambda: ScoreSmoothing()(people([0.5]), float("nan")), "time: expected seconds"),
        (lambda: ScoreSmoothing()(people([0.5, 0.5], ids=[3, 3]), 0.0), "have the id 3"),
    ],
)
def test_wrong_use(act, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PosesError, match=message):
        act()
