"""A profile of a recorded clip, and runs that use it."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import (
    CameraProfile,
    OutputError,
    Poses,
    Refiner,
    ScoreReference,
    SourceError,
    WeightsError,
    process_video,
    profile_camera,
)
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.monitoring.drift import FRAMES_PER_BLOCK
from rcnet_rt.monitoring.estimates import estimate_curve, score_histogram
from rcnet_rt.monitoring.frame_statistics import FrameStatistics, block_means
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.correct_probability import RECORD, CorrectProbability
from rcnet_rt.video.sink import VideoSink

SIZE, FRAMES = (160, 120), 240
LEARNED = CorrectProbability((0.8, 2.6, -0.6), ((0.01,) * 3,) * 3, 0.5, 0.73, 0.1, 1540)
WEIGHTS, MODEL = "mine.safetensors", "replay:poses.jsonl"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_poses: Poses) -> Path:
    """A folder with a noisy clip, its poses, and weights that know P(correct | score)."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("yolo-pose", "generic"):
        weights = weights_io.find(name)
        weights_io.save(
            replace(weights, training={**weights.training, RECORD: LEARNED.record()}),
            tmp_path / (WEIGHTS if name == "yolo-pose" else "generic.safetensors"),
        )
    header = Header("clip.mp4", "recorded", "none", "coco17", 0.25, "yolo-pose", SIZE)
    with (
        VideoSink(tmp_path / "clip.mp4", SIZE, Fraction(30), Fraction(1, 30)) as sink,
        JsonLinesWriter(tmp_path / "poses.jsonl", header) as writer,
    ):
        for index in range(FRAMES):
            image = rng.integers(60, 160, (SIZE[1] // 8, SIZE[0] // 8, 3)).astype(np.uint8)
            sink.write(image.repeat(8, 0).repeat(8, 1), Fraction(index, 30))
            some = random_poses[rng.permutation(5)[: rng.integers(1, 6)]]
            poses = replace(some, scores=rng.uniform(0.06, 1, len(some)), image_size=SIZE)
            writer.write(index, index / 30, poses, poses.scores > 0)
    return tmp_path


def seen() -> list[Poses]:
    return [result.poses for result in process_video("clip.mp4", model=MODEL, weights=WEIGHTS)]


def test_a_profile_is_what_a_run_gives(place: Path) -> None:
    made = profile_camera("clip.mp4", model=MODEL, weights=WEIGHTS, out="camera.profile")
    poses = seen()
    scores = np.concatenate([each.scores for each in poses])
    assert (made.frames, made.poses) == (FRAMES, len(scores))
    assert made.frame_rate == pytest.approx(30, abs=0.01)
    assert made.setup.estimator == "recorded"
    assert made.distributions["refined_score"][10] == np.quantile(
        scores.astype(np.float64), 0.5, method="inverted_cdf"
    )
    blocks = [score_histogram(np.concatenate([p.scores for p in poses[i : i + 4]]))
              for i in range(0, FRAMES, 4)]  # fmt: skip
    expected = estimate_curve(blocks, FRAMES, LEARNED)
    assert made.curve is not None
    np.testing.assert_array_equal(made.curve.precision.value, expected.precision.value)
    np.testing.assert_array_equal(made.curve.recall.low, expected.recall.low)
    assert made.threshold == expected.thresholds[expected.best_f1()]
    assert "only 8 s" in made.note
    measure = FrameStatistics(COCO17)
    values = [
        measure(result.frame.image_bgr, result.poses)
        for result in process_video("clip.mp4", model=MODEL, weights=WEIGHTS)
    ]
    np.testing.assert_allclose(made.statistics.blocks, block_means(values, FRAMES_PER_BLOCK))
    loaded = CameraProfile.load(place / "camera.profile")
    assert (loaded.setup, loaded.threshold) == (made.setup, made.threshold)


def test_a_run_uses_its_threshold(place: Path) -> None:
    best = profile_camera("clip.mp4", model=MODEL, weights=WEIGHTS)
    assert best.curve is not None
    wanted = float(np.nanquantile(best.curve.precision.value, 0.8))
    made = profile_camera("clip.mp4", model=MODEL, weights=WEIGHTS, min_precision=wanted, out="p")
    place_of = best.curve.lowest_precise(wanted)
    assert place_of is not None
    assert made.threshold == best.curve.thresholds[place_of] != best.threshold
    own = weights_io.find(WEIGHTS).thresholds["p95"]
    for threshold, expected in {"auto": made.threshold, "profile": made.threshold, 0.3: 0.3,
                                "p95": own}.items():  # fmt: skip
        for profile in ("p", made):
            run = process_video(
                "clip.mp4", model=MODEL, weights=WEIGHTS, threshold=threshold, profile=profile,
                max_frames=3,
            )  # fmt: skip
            assert {result.threshold for result in run} == {expected}


def test_generic_weights_get_the_scores_that_were_seen() -> None:
    made = profile_camera("clip.mp4", model=MODEL, weights="generic.safetensors")
    raw = [replace(p, scores=p.estimator_scores, raw_scores=None) for p in seen()]
    reference = ScoreReference.of(raw, 256)
    assert made.reference is not None
    np.testing.assert_array_equal(made.reference.scores, reference.scores)
    refiner = Refiner(weights_io.find("generic"))
    expected = refiner.batch(raw, reference=reference)
    run = process_video("clip.mp4", model=MODEL, weights="generic.safetensors", profile=made)
    for result, poses in zip(run, expected, strict=True):
        np.testing.assert_allclose(result.poses.scores, poses.scores, atol=1e-6)
    scores = np.concatenate([poses.scores for poses in expected])
    assert made.distributions["refined_score"][-1] == pytest.approx(scores.max(), abs=1e-6)
    assert made.curve is not None
    assert made.curve.kept[0] == pytest.approx(len(scores) / FRAMES)


def test_the_drift_alarm_is_held_against_it(place: Path) -> None:
    made = profile_camera("clip.mp4", model=MODEL, weights=WEIGHTS)
    assert not any(
        result.drift
        for result in process_video("clip.mp4", model=MODEL, weights=WEIGHTS, profile=made)
    )
    rng = np.random.default_rng(1)
    with VideoSink(place / "dark.mp4", SIZE, Fraction(30), Fraction(1, 30)) as sink:
        for index in range(FRAMES):
            image = rng.integers(20, 50, (SIZE[1] // 8, SIZE[0] // 8, 3)).astype(np.uint8)
            sink.write(image.repeat(8, 0).repeat(8, 1), Fraction(index, 30))
    run = process_video("dark.mp4", model=MODEL, weights=WEIGHTS, profile=made)
    changes = [{change.what for change in result.drift} for result in run]
    assert "brightness" in changes[100]


def test_a_short_profile_gives_no_alarm_but_a_note() -> None:
    made = profile_camera("clip.mp4", model=MODEL, weights=WEIGHTS, max_frames=10)
    run = process_video("clip.mp4", model=MODEL, weights=WEIGHTS, profile=made, max_frames=5)
    summary = run.finish()
    assert any("too few" in note for note in summary.notes)


def test_another_setup_is_refused() -> None:
    made = profile_camera("clip.mp4", model=MODEL, weights=WEIGHTS, max_frames=10)
    options = {"model": MODEL, "weights": WEIGHTS, "profile": made}
    for change in (
        {"weights": "formula:score"},
        {"weights": "none"},
        {"profile": replace(made, setup=replace(made.setup, estimator="other"))},
        {"profile": replace(made, setup=replace(made.setup, imgsz=(320, 320)))},
    ):
        with pytest.raises(WeightsError, match="the profile was made with"):
            process_video("clip.mp4", **{**options, **change}).finish()  # type: ignore[arg-type]


@pytest.mark.parametrize("weights", ["none", "formula:score", "older.safetensors"])
def test_weights_without_the_probability_say_so(place: Path, weights: str) -> None:
    mine = weights_io.find(WEIGHTS)
    weights_io.save(replace(mine, training={}), place / "older.safetensors")
    made = profile_camera("clip.mp4", model=MODEL, weights=weights, out="p", max_frames=20)
    assert made.curve is made.threshold is None
    assert "precision and recall are not estimated" in made.note
    assert json.loads((place / "p").read_text())["estimates"] is None
    run = process_video("clip.mp4", model=MODEL, weights=weights, profile="p", max_frames=2)
    run.finish()
    with pytest.raises(WeightsError, match="no threshold: precision and recall are not"):
        process_video(
            "clip.mp4", model=MODEL, weights=weights, profile="p", threshold="profile"
        ).finish()


def test_a_precision_that_is_not_reached() -> None:
    made = profile_camera(
        "clip.mp4", model=MODEL, weights=WEIGHTS, min_precision=0.9999, max_frames=20
    )
    assert made.threshold is None
    assert "no threshold has an estimated precision of 0.9999" in made.note


def test_what_cannot_be(place: Path) -> None:
    with pytest.raises(SourceError, match="--max-frames"):
        profile_camera("0", model=MODEL)
    with pytest.raises(SourceError, match="--max-frames"):
        profile_camera("rtsp://me:secret@camera/1", model=MODEL)
    with pytest.raises(OutputError):
        profile_camera("clip.mp4", model=MODEL, out=place / "absent" / "p")
    with pytest.raises(ValueError, match="min_precision"):
        profile_camera("clip.mp4", model=MODEL, min_precision=1.0)
    with pytest.raises(WeightsError, match="needs --profile"):
        process_video("clip.mp4", model=MODEL, threshold="profile").finish()
