"""The drift detector: shifts are noticed soon, exchangeable frames hardly ever."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rcnet_rt.errors import DatasetError
from rcnet_rt.monitoring import drift
from rcnet_rt.monitoring.drift import FRAMES_PER_BLOCK, DriftDetector, Reference
from rcnet_rt.monitoring.frame_statistics import NAMES, block_means

Floats = npt.NDArray[np.float64]
USUAL = (110, 50, 0.2, 2, 15, 1.5, 2, 0.8, 0.8, 0.8, 0.9, 0.3, 0.5, 0)  # in the order of NAMES
NOISE = (2, 1, 0.01, 0.5, 0.3, 0.2, 0.2, 0.02, 0.02, 0.02, 0.02, 0.01, 0.02, 2)


def frames(count: int, seed: int, **shifts: float) -> Floats:
    """(T, S) independent statistics around what is usual, shifted by so many deviations."""
    noise = np.random.default_rng(seed).normal(size=(count, len(NAMES)))
    moved = noise + np.array([shifts.get(name, 0.0) for name in NAMES])
    return np.asarray(np.array(USUAL) + moved * np.array(NOISE))


def reference(count: int = 300) -> Reference:
    return Reference(block_means(frames(count, 0), FRAMES_PER_BLOCK))


def first_alarms(detector: DriftDetector, values: Floats) -> dict[str, int]:
    """Return how many frames it took until each change was noticed."""
    found: dict[str, int] = {}
    for index, row in enumerate(values):
        for change in detector(row):
            found.setdefault(change.what, index + 1)
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("direction", [-1, 1])
def test_every_statistic_alarms_within_50_frames(name: str, direction: int) -> None:
    detector = DriftDetector(reference())
    assert first_alarms(detector, frames(100, 1)) == {}
    found = first_alarms(detector, frames(60, 2, **{name: 30.0 * direction}))
    assert list(found) == [name]
    assert found[name] <= 50


def test_what_changed_is_said_and_what_is_over() -> None:
    detector = DriftDetector(reference())
    for row in frames(60, 1, brightness=-30):
        changes = detector(row)
    (change,) = changes
    assert change.text == "image darker: mean brightness 110 -> 50"
    assert change.before == pytest.approx(110, abs=1)
    assert change.now == pytest.approx(50, abs=1)
    for row in frames(60, 2):
        changes = detector(row)
    assert changes == ()


def test_a_change_too_small_to_matter_is_none() -> None:
    """By ranks it is clear: the deviation of the reference is 0.2."""
    steady = frames(300, 0)
    steady[:, 0] = 110 + 0.1 * steady[:, 1]
    detector = DriftDetector(Reference(block_means(steady, 5)))
    later = frames(200, 1)
    later[:, 0] = 115
    assert first_alarms(detector, later) == {}


@pytest.mark.parametrize("test", ["ranks", "student"])
def test_either_test_alone_keeps_the_bound(test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On statistics that depend on each other, where every change matters and is over at once."""
    monkeypatch.setattr(drift, "RECOVERED", np.inf)
    if test == "ranks":
        monkeypatch.setattr(drift, "prediction_limit", lambda count, level: 0.0)
    else:
        monkeypatch.setattr(drift, "max_deficit", lambda *sizes: 10**9)
    alarms, frames_each, streams, bound = 0, 400, 40, 400
    for seed in range(streams):
        rng = np.random.default_rng(seed)
        shared = rng.normal(size=(200 + frames_each, 1))
        values = 1e6 * (shared + rng.normal(size=(200 + frames_each, len(NAMES))))
        detector = DriftDetector(Reference(block_means(values[:200], 5)), bound)
        before: set[str] = set()
        for row in values[200:]:
            now = {change.what for change in detector(row)}
            alarms += len(now - before)
            before = now
    expected = streams * frames_each / bound
    assert 0.1 * expected < alarms <= expected + 2 * np.sqrt(expected)


def test_moments_that_are_alike_give_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are correlated over 50 frames; ranks alone, for which blocks are alike, fail."""
    noise = np.random.default_rng(0).normal(size=(2600, len(NAMES)))
    for index in range(1, len(noise)):
        noise[index] = 0.98 * noise[index - 1] + np.sqrt(1 - 0.98**2) * noise[index]
    usual = Reference(block_means(1000 * noise[:600], 5))
    assert first_alarms(DriftDetector(usual), 1000 * noise[600:]) == {}
    monkeypatch.setattr(drift, "prediction_limit", lambda count, level: 0.0)
    assert len(first_alarms(DriftDetector(usual), 1000 * noise[600:])) > 3


def test_a_frozen_image_needs_no_statistics() -> None:
    detector = DriftDetector(reference())
    values = frames(100, 1)
    values[20:, NAMES.index("motion")] = 0
    found = first_alarms(detector, values)
    assert found["frozen"] == 20 + 30
    (change,) = (change for change in detector(values[-1]) if change.what == "frozen")
    assert change.text == "frozen image: 30 frames without any difference"
    assert all(change.what != "frozen" for change in detector(frames(1, 2)[0]))


def test_a_scene_that_stood_still_before_may_stand_still_again() -> None:
    values = frames(300, 0)
    values[100:180, NAMES.index("motion")] = 0
    still = frames(400, 1)
    still[:, NAMES.index("motion")] = 0
    found = first_alarms(DriftDetector(Reference(block_means(values, 5))), still)
    assert 160 < found["frozen"] < 200


def test_statistics_that_do_not_exist_are_passed_over() -> None:
    """Nobody is there half of the time, and joint confidences never are."""
    values, later = frames(600, 0), frames(60, 1, raw_score=-30)
    people = [NAMES.index(name) for name in ("raw_score", "refined_score", "pose_size")]
    values[::10, people] = values[1::10, people] = np.nan
    values[:, NAMES.index("joint_confidence")] = np.nan
    later[:5, people] = np.nan
    assert list(first_alarms(DriftDetector(Reference(block_means(values, 5))), later)) == [
        "raw_score"
    ]


def test_a_reference_may_have_other_statistics() -> None:
    blocks = reference().blocks
    names = ("of a later version", "brightness")
    some = Reference(np.stack([blocks[:, 3], blocks[:, 0]], axis=1), 5, names)
    found = first_alarms(DriftDetector(some), frames(60, 1, brightness=-30, contrast=-30))
    assert list(found) == ["brightness"]


def test_a_longer_reference_is_taken_in_longer_blocks() -> None:
    assert DriftDetector(reference(300)).frames_per_block == 5
    assert DriftDetector(reference(6000)).frames_per_block == 10
    with pytest.raises(DatasetError, match="40 frames of reference are too few"):
        DriftDetector(reference(40))


def test_a_gap_begins_a_new_block() -> None:
    detector = DriftDetector(reference())
    dark = frames(200, 1, brightness=-30)
    for row in dark:
        assert detector(row) == ()
        detector.gap()
