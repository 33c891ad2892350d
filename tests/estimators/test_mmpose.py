"""mmpose: its inferencer's output as documented (format tested: mmpose itself is not run here)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rcnet_rt import estimators
from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.mmpose import MmposeEstimator, poses_from_predictions

IMAGE = np.zeros((480, 640, 3), np.uint8)


def person(rng: np.random.Generator, **more: Any) -> dict[str, Any]:
    """One person as `mmpose.structures.split_instances` gives it."""
    return {
        "keypoints": rng.uniform(0, 400, (17, 2)).tolist(),
        "keypoint_scores": rng.uniform(0.1, 1.3, 17).tolist(),
        **more,
    }


@pytest.fixture
def people() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    boxes = [[10.0, 20.0, 110.0, 220.0], [30.0, 40.0, 90.0, 190.0]]
    return [
        person(rng, bbox=(box,), bbox_score=np.float32(score))
        for box, score in zip(boxes, (0.9, 0.3), strict=True)
    ]


class Inferencer:
    """Answers as `MMPoseInferencer` does: a generator of one result an image."""

    def __init__(self, people: list[dict[str, Any]]) -> None:
        self._people = people
        self.asked: dict[str, Any] = {}

    def __call__(self, inputs: Any, **options: Any) -> Iterator[dict[str, Any]]:
        self.asked = {"inputs": inputs, **options}
        yield {"visualization": [], "predictions": [self._people]}


def test_top_down(people: list[dict[str, Any]]) -> None:
    poses = poses_from_predictions(people, (640, 480))
    np.testing.assert_array_equal(poses.keypoints[1], np.float32(people[1]["keypoints"]))
    np.testing.assert_array_equal(poses.scores, np.float32([0.9, 0.3]))
    np.testing.assert_array_equal(
        poses.keypoint_scores[0], np.float32(people[0]["keypoint_scores"])
    )
    np.testing.assert_array_equal(poses.boxes[0], [10, 20, 110, 220])


def test_older_versions_give_the_box_as_it_is(people: list[dict[str, Any]]) -> None:
    plain = [{**each, "bbox": each["bbox"][0]} for each in people]
    expected = poses_from_predictions(people).boxes
    np.testing.assert_array_equal(poses_from_predictions(plain).boxes, expected)


def test_bottom_up_without_boxes() -> None:
    rng = np.random.default_rng(0)
    bottom_up = [person(rng), person(rng)]
    poses = poses_from_predictions(bottom_up)
    assert poses.boxes is None
    means = [np.mean(each["keypoint_scores"]) for each in bottom_up]
    np.testing.assert_allclose(poses.scores, means, rtol=1e-6)


def test_joints_without_a_score_are_missing(people: list[dict[str, Any]]) -> None:
    people[0]["keypoint_scores"][4] = 0.0
    poses = poses_from_predictions(people)
    assert np.argwhere(~poses.found).tolist() == [[0, 4]]


def test_the_floor_goes_to_the_detector_and_holds_for_poses(people: list[dict[str, Any]]) -> None:
    inferencer = Inferencer(people)
    estimator = MmposeEstimator(inferencer, "mmpose:human", floor=0.5)
    poses = estimator.estimate(IMAGE)
    assert inferencer.asked["inputs"] is IMAGE, "both take blue first"
    assert inferencer.asked["bbox_thr"] == 0.5
    assert poses.scores.tolist() == [np.float32(0.9)]
    assert poses.image_size == (640, 480)


def test_nobody() -> None:
    estimator = MmposeEstimator(Inferencer([]), "mmpose:human", floor=0.5)
    assert estimator.estimate(IMAGE).keypoints.shape == (0, 17, 2)


def test_other_skeletons(people: list[dict[str, Any]]) -> None:
    hand = [{**each, "keypoints": each["keypoints"][:5]} for each in people]
    with pytest.raises(EstimatorError, match=r"shape \(5, 2\), expected \(17, 2\)"):
        poses_from_predictions(hand)


def test_a_failure_is_a_sentence() -> None:
    estimator = MmposeEstimator(Inferencer(None), "mmpose:human", floor=0.5)
    estimator._inferencer = lambda *_, **__: iter([{}])
    with pytest.raises(EstimatorError, match="mmpose failed: 'predictions'"):
        estimator.estimate(IMAGE)


def test_without_mmpose_the_remedy_is_named() -> None:
    try:
        import mmpose  # noqa: F401
    except ImportError:
        with pytest.raises(EstimatorError, match="need the package mmpose"):
            estimators.load("mmpose:human", floor=0.5)
    else:
        pytest.skip("mmpose is installed")
    assert estimators.family("mmpose:human") == "mmpose"
