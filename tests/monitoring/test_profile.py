"""A camera's profile as a value and as a file."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rcnet_rt.errors import DatasetError, OutputError, WeightsError
from rcnet_rt.monitoring.drift import Reference
from rcnet_rt.monitoring.estimates import STEPS, estimate_curve, score_histogram
from rcnet_rt.monitoring.profile import LEVELS, CameraProfile, Setup, quantiles
from rcnet_rt.rescoring.correct_probability import CorrectProbability
from rcnet_rt.rescoring.score_reference import ScoreReference

SETUP = Setup("yolov8n-pose.pt", (480, 640), "coco17", "yolo-pose", "0123456789ab")
STATISTICS = {"names": ["a", "b"], "blocks": [], "frame_rate": None, "frames_per_block": 5}


def profile() -> CameraProfile:
    learned = CorrectProbability((0.8, 2.6, -0.6), ((0.01,) * 3,) * 3, 0.5, 0.73, 0.1, 1540)
    scores = np.random.default_rng(0).uniform(0.2, 0.9, (10, 30))
    curve = estimate_curve([score_histogram(block) for block in scores], 100, learned)
    blocks = np.array([[0.5, math.nan], [0.25, 3.0]])
    return CameraProfile(
        source="clip.mp4",
        setup=SETUP,
        frames=100,
        poses=300,
        frame_rate=29.97,
        reference=ScoreReference(np.array([0.1, 0.5]), np.array([3.0, 0.5]), 0.25),
        distributions={"refined_score": quantiles(scores.ravel()), "pose_size": quantiles([])},
        curve=curve,
        threshold=0.415,
        min_precision=0.9,
        note="only 3.3 seconds were seen",
        statistics=Reference(blocks, 5, ("brightness", "tilt")),
    )


def test_a_file_holds_all_of_it(tmp_path: Path) -> None:
    before, path = profile(), tmp_path / "camera.profile"
    before.save(path)
    after = CameraProfile.load(path)
    names = ("source", "setup", "frames", "poses", "frame_rate", "threshold", "min_precision")
    for name in (*names, "note"):
        assert getattr(after, name) == getattr(before, name)
    assert before.reference is not None
    assert after.reference is not None
    np.testing.assert_array_equal(after.reference.scores, before.reference.scores)
    np.testing.assert_array_equal(after.reference.expected_ranks, before.reference.expected_ranks)
    assert after.reference.joint_correlation == 0.25
    for name, values in before.distributions.items():
        np.testing.assert_allclose(after.distributions[name], values, atol=1e-6)
    assert before.curve is not None
    assert after.curve is not None
    np.testing.assert_allclose(after.curve.kept, before.curve.kept, atol=1e-6)
    assert after.curve.people == pytest.approx(before.curve.people, abs=1e-6)
    for name in ("precision", "recall", "f1"):
        for part in ("value", "low", "high"):
            old, new = (getattr(getattr(each.curve, name), part) for each in (before, after))
            np.testing.assert_allclose(new, old, atol=1e-6)
    np.testing.assert_array_equal(after.statistics.blocks, before.statistics.blocks)
    assert after.statistics.names == ["brightness", "tilt"]
    assert after.statistics.frames_per_block == 5
    written = json.loads(path.read_text())["statistics"]
    assert written["blocks"] == [[0.5, None], [0.25, 3.0]]
    assert written["frame_rate"] == 29.97


def test_what_is_not_known_is_kept_as_such(tmp_path: Path) -> None:
    nothing = Reference(np.zeros((0, 2)), 5, ("brightness", "tilt"))
    before = replace(
        profile(), curve=None, threshold=None, reference=None, frame_rate=None, statistics=nothing
    )
    before.save(tmp_path / "a")
    after = CameraProfile.load(tmp_path / "a")
    assert after.curve is after.threshold is after.reference is after.frame_rate is None
    assert after.statistics.blocks.shape == (0, 2)
    with pytest.raises(WeightsError, match=r"no threshold: only 3.3 seconds"):
        after.required_threshold()


def test_another_setup_is_refused() -> None:
    made = profile()
    made.check(replace(SETUP, weights="renamed"))
    for change, message in {
        ("estimator", "yolo11n-pose.pt"): r"estimator yolov8n-pose.pt, .* yolo11n-pose.pt.*--model",
        ("imgsz", None): r"imgsz \(480, 640\), and this run has None.*--imgsz",
        ("skeleton", "crowdpose14"): "skeleton coco17, and this run has crowdpose14",
        ("fingerprint", "ba9876543210"): r"'yolo-pose' \(0123456789ab\).*\(ba9876543210\)",
    }.items():
        name, value = change
        with pytest.raises(WeightsError, match=message):
            made.check(replace(SETUP, **{name: value}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"camera_profile": 2}, "format 2, this rcnet-rt reads 1"),
        ({"camera_profile": None}, "is no camera profile"),
        ({"threshold": 1.5}, "damaged"),
        ({"threshold": "high"}, "damaged"),
        ({"threshold": [0.5]}, "damaged"),
        ({"min_precision": "high"}, "damaged"),
        ({"statistics": {"names": ["a"]}}, "damaged"),
        ({"statistics": {**STATISTICS, "frames_per_block": 0}}, "damaged"),
        ({"statistics": {**STATISTICS, "blocks": [[1.0]]}}, "damaged"),
        ({"statistics": {**STATISTICS, "frame_rate": "fast"}}, "damaged"),
        ({"estimates": {"thresholds": [0.1]}}, "damaged"),
        ({"distributions": {"refined_score": [0.1]}}, "damaged"),
        ({"score_reference": {"scores": [2, 1], "expected_ranks": [2, 1]}}, "damaged"),
        ({"frames": None}, "damaged"),
    ],
)
def test_damage_is_told(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "camera.profile"
    profile().save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DatasetError, match=message):
        CameraProfile.load(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    for content in ("[1, 2]", "3", "{}"):
        (tmp_path / "a").write_text(content)
        with pytest.raises(DatasetError, match="no camera profile"):
            CameraProfile.load(tmp_path / "a")
    with pytest.raises(DatasetError, match="cannot be read"):
        CameraProfile.load(tmp_path / "absent")
    with pytest.raises(OutputError):
        profile().save(tmp_path / "absent" / "a")


def test_quantiles() -> None:
    rng = np.random.default_rng(0)
    values, times = rng.normal(size=200), rng.integers(0, 4, 200)
    repeated = np.sort(values.repeat(times))
    expected = [
        repeated[max(math.ceil(round(level * len(repeated), 6)) - 1, 0)] for level in LEVELS
    ]
    np.testing.assert_array_equal(quantiles(values, times), expected)
    np.testing.assert_array_equal(quantiles([*values, math.nan], [*times, 5]), expected)
    assert len(LEVELS) == 21
    assert LEVELS[-1] == 1
    assert np.isnan(quantiles([1.0], [0.0])).all()


def test_thresholds_of_the_curve_are_those_of_the_histogram() -> None:
    curve = profile().curve
    assert curve is not None
    assert len(curve.thresholds) == STEPS
