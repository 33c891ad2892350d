"""The flicker figures, on lines that can be counted by eye."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("trackers", reason="pip install 'rcnet-rt[track]'")

from benchmarks.studies.flicker.figures import compare, is_causal, other_constants, raw_threshold
from benchmarks.studies.flicker.recording import Recording
from rcnet_rt.poses.poses import Poses


def recording(*people: str) -> Recording:
    """People who stand still at 10 frames a second; a digit is the score in tenths, - not found."""
    rng = np.random.default_rng(0)
    frames = list(zip(*people, strict=True))
    keypoints = (
        rng.uniform(0, 100, (len(people), 17, 2)) + 200 * np.arange(len(people))[:, None, None]
    )
    poses, names = [], []
    for frame in frames:
        here = [who for who, digit in enumerate(frame) if digit != "-"]
        scores = np.array([int(frame[who]) / 10 for who in here])
        poses.append(Poses(keypoints[here], scores / 2).with_scores(scores))
        names.append(np.array(here, dtype=np.int64))
    return Recording("by hand", [index / 10 for index in range(len(frames))], poses, names)


def test_lines_run_from_the_first_sight_to_the_last() -> None:
    lines = recording("--5-5-", "123456").lines(
        [np.array([False])] * 2 + [np.array([True, False])]
        + [np.array([True])] + [np.array([True, True])] + [np.array([False])]
    )  # fmt: skip
    assert lines[0].tolist() == [True, False, True]
    assert lines[1].tolist() == [False, False, False, True, True, False]


def test_changes_are_counted() -> None:
    rows = compare(recording("5535533355", "4-44555555", "1111111111"), 0.45)
    figures = {row["way"]: row for row in rows}
    refined = figures["refined"]
    assert (refined["changes"], refined["drops"], refined["drops of poses"]) == (5, 2, 2)
    assert refined["people"] == 2  # the third is never kept
    assert refined["a person-second"] == pytest.approx(5 / 2.0)
    assert refined["kept a frame"] == pytest.approx(1.2)
    assert refined["delay ms"] == pytest.approx((0 + 400) / 2)
    raw = figures["raw"]
    assert [raw[key] for key in ("changes", "drops", "kept a frame")] == [5, 2, 1.2]
    whole = figures["refined + smoothing + hysteresis"]
    assert whole["drops"] == 0
    same = other_constants(recording("5535533355", "4-44555555", "1111111111"), 0.45)[0]
    assert same["constants"] == "as they are"
    assert {key: same[key] for key in ("changes", "drops", "kept a frame")}.items() <= whole.items()


def test_the_raw_score_keeps_as_many() -> None:
    one = recording("5535533355", "4444555555")
    threshold = raw_threshold(one, 0.45)
    assert threshold == pytest.approx(0.25)
    assert raw_threshold(one, 0.95) == float("inf")


def test_no_decision_depends_on_a_later_frame() -> None:
    assert is_causal(recording("5535533355", "4-44555555", "1111111111"), 0.45)
