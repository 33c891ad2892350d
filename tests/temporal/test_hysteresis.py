"""Hysteresis, as a table: one person's scores in, kept (K) or not (.) out."""

from __future__ import annotations

import numpy as np
import pytest

from rcnet_rt.errors import PosesError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.temporal.hysteresis import Hysteresis, half_odds
from rcnet_rt.temporal.tracking import LOST_AFTER


def poses(scores: list[float], ids: list[int] | None) -> Poses:
    return Poses(np.zeros((len(scores), 17, 2)), scores, track_ids=ids)


TABLE = [
    # frames a second, age, scores of one track (- is not seen), kept
    (30, 0.0, "5 5 5", "KKK"),
    (30, 0.0, "4 4 4", "..."),
    (30, 0.0, "4 5 4 3 4 5", ".KK..K"),
    (30, 0.0, "5 3 5 3 5", "K.K.K"),
    (30, 0.0, "5 4 4 4 4", "KKKKK"),
    (30, 0.1, "5 5 5 5 5", "...KK"),
    (30, 0.1, "5 - - 5 5", ".--KK"),
    (30, 0.1, "4 4 4 4 5", "....K"),
    (30, 0.1, "5 5 5 4 4 5 4", ".....KK"),
    (30, 0.1, "9 1 1 1 1", "....."),
    (5, 0.1, "5 5 4 3", ".KK."),
    (5, 0.0, "5 - - - - 4", "K----K"),
    (5, 0.0, "5 - - - - - 4", "K-----."),
]


@pytest.mark.parametrize(("rate", "age", "scores", "expected"), TABLE)
def test_table(rate: int, age: float, scores: str, expected: str) -> None:
    """Entering from 0.5 on, leaving below 0.4."""
    for start in (0.0, 1 / 3, 1234.567):  # where times do not add up to the bit
        keep = Hysteresis(enter=0.5, leave=0.39, age=age)
        kept = ""
        for frame, score in enumerate(scores.split()):
            frame_poses = Poses.empty(17) if score == "-" else poses([int(score) / 10], [7])
            answer = keep(frame_poses, start + frame / rate)
            kept += "-" if score == "-" else "K" if answer[0] else "."
        assert kept == expected


def test_without_ids_it_is_the_plain_threshold() -> None:
    keep = Hysteresis(enter=0.5)
    for frame in range(3):
        assert keep(poses([0.49, 0.5, 0.51], None), frame / 30).tolist() == [False, True, True]
    assert len(keep) == 0


def test_poses_that_belong_to_no_track_go_by_the_plain_threshold() -> None:
    """Such as one with faulty numbers, which is better shown than lost."""
    keep = Hysteresis(enter=0.5)
    for frame in range(10):
        kept = keep(poses([0.8, 0.4, 0.8], [-1, -1, 3]), frame / 30).tolist()
        assert kept == [True, False, frame >= 3]


def test_people_are_decided_one_by_one_in_any_order() -> None:
    keep = Hysteresis(enter=0.5, leave=0.3, age=0)
    assert keep(poses([0.9, 0.4, 0.6], [1, 2, 3]), 0.0).tolist() == [True, False, True]
    assert keep(poses([0.4, 0.2, 0.4], [2, 3, 1]), 0.1).tolist() == [False, False, True]


def test_compared_as_it_is_written_out() -> None:
    """A float32 just below a threshold that only float64 can hold."""
    keep = Hysteresis(enter=0.3, leave=0.3, age=0)
    score = np.float32(0.3)
    assert keep(poses([score], [0]), 0.0).tolist() == [float(score) >= 0.3]


def test_tracks_that_end_are_forgotten() -> None:
    keep = Hysteresis(enter=0.5)
    for frame in range(1000):
        keep(poses([0.9, 0.9], [2 * frame, 2 * frame + 1]), frame / 30)
        assert len(keep) <= 2 * (30 * LOST_AFTER + 1)
    keep(Poses(np.zeros((0, 17, 2)), [], track_ids=[]), 1000.0)
    assert len(keep) == 0


def test_faulty_scores_are_not_kept() -> None:
    assert Hysteresis(0.0, age=0)(poses([np.nan], [1]), 0.0).tolist() == [False]


def test_half_the_odds() -> None:
    for score in np.linspace(0.01, 0.99, 50):
        half = half_odds(score)
        assert half / (1 - half) == pytest.approx(score / (1 - score) / 2)
    assert Hysteresis(0.5).leave == half_odds(0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"enter": 1.2}, "enter=1.2"),
        ({"enter": float("nan")}, "enter=nan"),
        ({"enter": 0.4, "leave": 0.5}, "leave <= enter"),
        ({"enter": 0.4, "leave": -0.1}, "leave=-0.1"),
        ({"enter": 0.4, "age": -1}, "not below 0"),
    ],
)
def test_wrong_use(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(PosesError, match=message):
        Hysteresis(**arguments)


def test_thresholds_that_move_forget_nobody() -> None:
    keep = Hysteresis(enter=0.5, age=0.1)
    assert [keep(poses([0.45], [7]), frame / 10)[0] for frame in range(3)] == [False] * 3
    keep.move(0.4)
    assert (keep.enter, keep.leave) == (0.4, half_odds(0.4))
    assert keep(poses([0.45], [7]), 0.3)[0], "old enough: the track was known"
    keep.move(0.6)
    assert keep(poses([0.45], [7]), 0.4)[0], "kept already, and above half the odds"
    with pytest.raises(PosesError, match="0 <= leave <= enter <= 1"):
        keep.move(1.1)
    assert keep.enter == 0.6
