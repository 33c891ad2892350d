"""supervision: KeyPoints in, KeyPoints with refined scores out."""

from __future__ import annotations

import numpy as np
import pytest
import supervision as sv

from rcnet_rt import Poses, Refiner
from rcnet_rt.errors import PosesError
from rcnet_rt.integrations.supervision import COVARIANCE, RAW, from_poses, refine, to_poses
from tests.helpers.joints import JointRefiner


@pytest.fixture
def key_points(random_poses: Poses) -> sv.KeyPoints:
    return sv.KeyPoints(
        xy=random_poses.keypoints.copy(),
        class_id=np.zeros(5, dtype=int),
        keypoint_confidence=random_poses.keypoint_scores.copy(),
        detection_confidence=random_poses.scores.copy(),
        data={"class_name": np.array(["person"] * 5)},
    )


def test_only_the_scores_change(key_points: sv.KeyPoints, random_poses: Poses) -> None:
    refiner = Refiner("yolo-pose")
    refined = refine(key_points, refiner, boxes=random_poses.boxes, image_size=(640, 480))
    expected = refiner(random_poses).scores
    np.testing.assert_allclose(refined.detection_confidence, expected, atol=1e-6)
    np.testing.assert_array_equal(refined.data[RAW], random_poses.scores)
    for name in ("xy", "class_id", "keypoint_confidence"):
        np.testing.assert_array_equal(getattr(refined, name), getattr(key_points, name))
    assert refined["class_name"].tolist() == ["person"] * 5
    np.testing.assert_array_equal(key_points.detection_confidence, random_poses.scores)
    assert RAW not in key_points.data


def test_refining_twice_is_refining_once(key_points: sv.KeyPoints) -> None:
    refiner = Refiner("yolo-pose")
    once = refine(key_points, refiner)
    assert refine(once, refiner) == once


def test_filtering_keeps_raw_and_refined_together(key_points: sv.KeyPoints) -> None:
    refined = refine(key_points, Refiner("yolo-pose"))
    sure = refined.detection_confidence > np.median(refined.detection_confidence)
    np.testing.assert_array_equal(refined[sure].data[RAW], refined.data[RAW][sure])


def test_there_and_back(random_poses: Poses) -> None:
    missing = random_poses.keypoints.copy()
    missing[1, 3] = np.nan
    poses = Poses(missing, random_poses.scores, keypoint_scores=random_poses.keypoint_scores)
    refined = Refiner("yolo-pose")(poses)
    key_points = from_poses(refined)
    assert key_points.xy[1, 3].tolist() == [0, 0]
    assert np.argwhere(~key_points.visible).tolist() == [[1, 3]]
    np.testing.assert_array_equal(key_points.detection_confidence, refined.scores)
    back = to_poses(key_points)
    np.testing.assert_array_equal(back.keypoints, poses.keypoints)
    np.testing.assert_array_equal(back.scores, poses.scores)
    np.testing.assert_array_equal(back.keypoint_scores, poses.keypoint_scores)


def test_nobody() -> None:
    empty = from_poses(Poses.empty(17))
    assert len(empty) == 0
    assert refine(empty, Refiner("yolo-pose")) == empty


def test_without_scores(random_poses: Poses) -> None:
    key_points = sv.KeyPoints(xy=random_poses.keypoints.copy())
    with pytest.raises(PosesError, match="no detection_confidence"):
        refine(key_points, Refiner("yolo-pose"))


def test_what_attach_refined_stays_refined_once(random_poses: Poses) -> None:
    from rcnet_rt.integrations.attached import remember

    attached = Refiner("yolo-pose")(random_poses)
    remember(attached.keypoints, attached.scores, random_poses.scores)
    key_points = from_poses(attached)
    key_points.data = {}  # `KeyPoints.from_ultralytics` knows of refined scores only
    again = refine(key_points, Refiner("generic"))
    np.testing.assert_array_equal(again.detection_confidence, attached.scores)
    np.testing.assert_array_equal(again.data[RAW], random_poses.scores)
    assert refine(again, Refiner("generic")) == again
    few = refine(key_points[np.array([3, 1])], Refiner("generic"))
    np.testing.assert_array_equal(few.detection_confidence, attached.scores[[3, 1]])
    np.testing.assert_array_equal(to_poses(key_points).scores, random_poses.scores)


def test_other_scores_of_the_same_poses_are_refined(random_poses: Poses) -> None:
    from rcnet_rt.integrations.attached import remember

    attached = Refiner("yolo-pose")(random_poses)
    remember(attached.keypoints, attached.scores, random_poses.scores)
    refined = refine(from_poses(random_poses), Refiner("generic"))
    np.testing.assert_array_equal(refined.data[RAW], random_poses.scores)
    assert not np.array_equal(refined.detection_confidence, random_poses.scores)


def test_few_poses_are_remembered(random_poses: Poses, monkeypatch: pytest.MonkeyPatch) -> None:
    from rcnet_rt.integrations import attached

    monkeypatch.setattr(attached, "CAPACITY", 3)
    attached.remember(random_poses.keypoints, random_poses.scores, random_poses.scores)
    known = attached.raw_scores_of(random_poses.keypoints, random_poses.scores)
    assert np.isfinite(known).tolist() == [False, False, True, True, True]


def test_joint_estimates_are_where_the_ellipse_annotators_look(
    key_points: sv.KeyPoints, random_poses: Poses
) -> None:
    expected = JointRefiner("yolo-pose")(random_poses)
    for refined in (refine(key_points, JointRefiner("yolo-pose")), from_poses(expected)):
        np.testing.assert_array_equal(refined.data["joint_confidence"], expected.joint_confidence)
        np.testing.assert_array_equal(refined.data[COVARIANCE], expected.joint_covariance)
        scene = np.zeros((480, 640, 3), np.uint8)
        assert sv.VertexEllipseOutlineAnnotator().annotate(scene, refined[[2, 0]]).any()
    assert "joint_confidence" not in refine(key_points, Refiner("generic")).data
