"""Drawing: what is kept, in the colour of its score, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import supervision as sv

from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.video.overlay import compare, draw, score_color, warn

CANVAS = np.zeros((480, 640, 3), np.uint8)


@pytest.fixture
def refined(random_poses: Poses) -> Poses:
    return random_poses.with_scores([0.9, 0.7, 0.5, 0.3, 0.1])


def has_color(image: np.ndarray, score: float) -> bool:
    return bool((image == score_color(score)[::-1]).all(axis=2).any())


def test_kept_poses_have_the_colour_of_their_refined_score(refined: Poses) -> None:
    drawn = draw(CANVAS, refined, refined.scores >= 0.4, COCO17)
    assert drawn.shape == CANVAS.shape
    assert [has_color(drawn, score) for score in (0.9, 0.7, 0.5, 0.3, 0.1)] == [True] * 3 + [
        False
    ] * 2


def test_warnings_stand_at_the_top_and_fit_in() -> None:
    scene = CANVAS.copy()
    warn(scene, [])
    assert not scene.any()
    warn(scene, ["image darker: mean brightness 92 -> 31", "less contrast " * 20])
    assert scene[:60].any()
    assert not scene[60:].any()
    assert scene[:, 500:].any()
    assert not scene[:, -1].any()


def test_the_image_given_stays_as_it_was(refined: Poses) -> None:
    draw(CANVAS, refined, np.ones(5, bool), COCO17)
    assert not CANVAS.any()


def test_skeletons_are_those_of_supervision(refined: Poses) -> None:
    keypoints = refined.keypoints.copy()
    keypoints[0, 3:5] = np.nan
    keypoints[0, 9] = 1e6
    corner = np.array([[600, 20, 620, 40]])  # the label stands there, out of the way
    pose = replace(refined[:1], keypoints=keypoints[:1], boxes=corner)
    assert pose.keypoint_scores is not None
    key_points = sv.KeyPoints(
        xy=np.clip(pose.keypoints, -30_000, 30_000),
        visible=np.isfinite(pose.keypoints[..., 0]) & (pose.keypoint_scores >= 0.3),
    )
    expected, color = CANVAS.copy(), sv.Color(*score_color(0.9))
    edges = [(first + 1, second + 1) for first, second in COCO17.links]
    sv.EdgeAnnotator(color, 2, edges).annotate(expected, key_points)
    sv.VertexAnnotator(color, 3).annotate(expected, key_points)
    drawn = draw(CANVAS, pose, np.ones(1, bool), COCO17)
    np.testing.assert_array_equal(drawn[:, :500], expected[:, :500])
    assert has_color(drawn[:, :500], 0.9)


def test_a_label_is_that_of_supervision(refined: Poses) -> None:
    pose = replace(refined[:1], keypoints=np.full((1, 17, 2), np.nan))
    pose = replace(pose, boxes=np.array([[300.7, 200.2, 400, 300]]))
    expected = CANVAS.copy()
    annotator = sv.LabelAnnotator(
        sv.Color(*score_color(0.9)),
        text_color=sv.Color.BLACK,
        text_scale=0.4,
        text_thickness=1,
        text_padding=4,
    )
    detections = sv.Detections(xyxy=pose.boxes, class_id=np.zeros(1, int))
    annotator.annotate(expected, detections, [f"{pose.estimator_scores[0]:.2f} -> 0.90"])
    drawn = draw(CANVAS, pose, np.ones(1, bool), COCO17)
    np.testing.assert_array_equal(drawn, expected)
    assert has_color(drawn, 0.9)


def test_nothing_kept_nothing_drawn(refined: Poses) -> None:
    np.testing.assert_array_equal(draw(CANVAS, refined, np.zeros(5, bool), COCO17), CANVAS)
    np.testing.assert_array_equal(draw(CANVAS, Poses.empty(17), np.zeros(0, bool), COCO17), CANVAS)


def test_compare_is_twice_as_wide(refined: Poses) -> None:
    kept = refined.scores >= 0.4
    both = compare(CANVAS, refined, kept, COCO17, threshold=0.4, raw_threshold=2.0)
    assert both.shape == (480, 1280, 3)
    left, right = both[:400, :640], both[:400, 640:]
    assert not left.any()  # no raw score reaches 2
    np.testing.assert_array_equal(right, draw(CANVAS, refined, kept, COCO17)[:400])


def test_odd_values_do_not_stop_the_drawing(refined: Poses) -> None:
    keypoints, boxes = refined.keypoints.copy(), refined.boxes.copy()
    keypoints[0] = np.nan
    keypoints[1, 3] = (np.inf, 1e20)
    keypoints[2, 0] = -1e12
    boxes[0], boxes[1, 2] = np.nan, np.inf
    odd = replace(refined, keypoints=keypoints, boxes=boxes, scores=np.full(5, np.nan))
    draw(CANVAS, odd, np.ones(5, bool), COCO17)
    draw(CANVAS, replace(odd, boxes=None, keypoint_scores=None), np.ones(5, bool), COCO17)


@pytest.mark.parametrize("size", [(1, 1), (17, 33), (2000, 3000)])
def test_any_size(refined: Poses, size: tuple[int, int]) -> None:
    canvas = np.zeros((*size, 3), np.uint8)
    drawn = compare(canvas, refined, np.ones(5, bool), COCO17, threshold=0.0, raw_threshold=0.0)
    assert drawn.shape == (size[0], 2 * size[1], 3)


def test_colours_run_from_dark_red_to_green() -> None:
    assert score_color(-3) == score_color(0)
    assert score_color(7) == score_color(1)
    assert score_color(float("nan")) == score_color(0)
    assert len({score_color(i / 10) for i in range(11)}) == 11


def test_tracks_are_named(refined: Poses) -> None:
    kept = np.array([True, False, False, False, False])
    plain = draw(CANVAS, refined, kept, COCO17)
    named = draw(CANVAS, replace(refined, track_ids=[12, 0, 1, 2, 3]), kept, COCO17)
    nobody = draw(CANVAS, replace(refined, track_ids=[-1, 0, 1, 2, 3]), kept, COCO17)
    assert (named != plain).any()
    np.testing.assert_array_equal(nobody, plain)


def test_joints_are_as_opaque_as_their_confidence(refined: Poses) -> None:
    one = replace(refined[:1], boxes=np.array([[600, 20, 620, 40]]))
    kept, ones = np.ones(1, bool), np.ones((1, 17), np.float32)
    plain = draw(CANVAS, replace(one, keypoint_scores=ones), kept, COCO17)
    opaque = draw(CANVAS, replace(one, joint_confidence=ones), kept, COCO17)
    np.testing.assert_array_equal(opaque, plain)
    half = draw(CANVAS, replace(one, joint_confidence=ones / 2), kept, COCO17)
    hidden = draw(CANVAS, replace(one, joint_confidence=0 * ones), kept, COCO17)
    body = np.s_[:, :500]
    np.testing.assert_allclose(half[body], plain[body] * (128 / 255), atol=0.51)
    assert not hidden[body].any()
    assert plain[body].any()


def test_ellipses_hold_ninety_percent(refined: Poses) -> None:
    points = np.full((1, 17, 2), np.nan)
    points[0, 0] = 250, 200
    covariance = np.full((1, 17, 2, 2), np.nan)
    covariance[0, 0] = [[900, 0], [0, 100]]
    pose = replace(
        refined[:1],
        keypoints=points,
        keypoint_scores=None,
        boxes=np.array([[600, 20, 620, 40]]),
        joint_covariance=covariance,
    )
    plain = draw(CANVAS, pose, np.ones(1, bool), COCO17)
    drawn = draw(CANVAS, pose, np.ones(1, bool), COCO17, ellipses=True)
    rows, columns = np.nonzero((drawn != plain).any(axis=2))
    radii = (columns.max() - columns.min()) / 2, (rows.max() - rows.min()) / 2
    np.testing.assert_allclose(radii, [2.146 * 30, 2.146 * 10], atol=2)
    sides = {"threshold": 0.1, "raw_threshold": 0.0, "ellipses": True}
    both = compare(CANVAS, pose, np.ones(1, bool), COCO17, **sides)
    raw_side = compare(CANVAS, pose, np.ones(1, bool), COCO17, **{**sides, "ellipses": False})
    np.testing.assert_array_equal(both[:, :640], raw_side[:, :640])
    assert not np.array_equal(both[:, 640:], raw_side[:, 640:])
