"""From ultralytics, supervision and COCO entries to `Poses`, by what the objects look like."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from rcnet_rt import DatasetError, Poses, PosesError
from rcnet_rt.datasets.results import poses_by_image
from rcnet_rt.poses.skeletons import COCO17, CROWDPOSE14
from tests.helpers.synthetic_coco import make_content, make_results


def ultralytics_result(data):
    boxes = SimpleNamespace(conf=np.array([0.9, 0.4]), xyxy=np.array([[0, 0, 9, 9]] * 2))
    keypoints = None if data is None else SimpleNamespace(data=data)
    return SimpleNamespace(keypoints=keypoints, boxes=boxes, orig_shape=(480, 640))


def key_points(**values):
    given = {
        "xy": np.ones((2, 17, 2)),
        "data": {},
        "detection_confidence": np.array([0.25, 0.5]),
        "keypoint_confidence": None,
    }
    return SimpleNamespace(**(given | values))


def test_ultralytics_results() -> None:
    data = np.random.default_rng(0).random((2, 17, 3), np.float32)
    data[1, 4] = 0
    data[0, 3, :2] = 0  # at the corner, and seen
    poses = Poses.from_ultralytics(ultralytics_result(data))
    assert poses.image_size == (640, 480)
    assert np.argwhere(~poses.found).tolist() == [[1, 4]]
    np.testing.assert_array_equal(poses.keypoint_scores, data[..., 2])
    np.testing.assert_array_equal(poses.keypoints[poses.found], data[poses.found][:, :2])
    without = Poses.from_ultralytics(ultralytics_result(data[..., :2]))
    assert without.keypoint_scores is None
    with pytest.raises(PosesError, match="no keypoints; use a pose model"):
        Poses.from_ultralytics(ultralytics_result(None))


def test_supervision_key_points() -> None:
    xy = np.ones((2, 17, 2))
    xy[0, 5] = 0
    poses = Poses.from_supervision(key_points(xy=xy), [[0, 0, 9, 9]] * 2, (640, 480))
    assert np.argwhere(~poses.found).tolist() == [[0, 5]]
    assert (xy[0, 5] == 0).all()  # the caller's own stays
    assert poses.scores.tolist() == [0.25, 0.5]
    assert poses.image_size == (640, 480)
    refined = key_points(data={"raw_detection_confidence": np.array([0.125, 0.75])})
    assert Poses.from_supervision(refined).scores.tolist() == [0.125, 0.75]
    nobody = key_points(xy=np.empty((0, 0, 2)), detection_confidence=None)
    assert len(Poses.from_supervision(nobody)) == 0
    with pytest.raises(PosesError, match="no detection_confidence"):
        Poses.from_supervision(key_points(detection_confidence=None))


@pytest.mark.parametrize("boxes", [True, False])
def test_coco_entries_as_in_a_whole_file(boxes: bool) -> None:
    entries = make_results(make_content(), boxes=boxes)
    entries[0]["keypoints"][:3] = [0, 0, 0]
    for index, entry in enumerate(entries):
        if index % 3:
            entry["agreement"] = 0.5
    expected = poses_by_image(entries, COCO17)
    assert len(expected) > 5
    for image, item in expected.items():
        poses = Poses.from_coco([entry for entry in entries if entry["image_id"] == image])
        for name in ("keypoints", "scores", "keypoint_scores", "boxes", "agreement"):
            np.testing.assert_array_equal(getattr(poses, name), getattr(item.poses, name))


def test_coco_entries_of_one_image() -> None:
    flags = [{"keypoints": [5, 6, 2] * 14, "score": float("nan")}]
    poses = Poses.from_coco(flags, CROWDPOSE14, image_size=(640, 480))
    assert poses.keypoint_scores is None
    assert poses.image_size == (640, 480)
    assert np.isnan(poses.scores).all()
    assert Poses.from_coco([], CROWDPOSE14).keypoints.shape == (0, 14, 2)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"image_id": 1, "keypoints": [1, 2, 3] * 16, "score": 1}], "16 joints.*expected 51"),
        ([{"keypoints": ["a", 2, 3] * 17, "score": 1}], "keypoint value 'a'"),
        ([{"score": 1}], "entry 0 lacks keypoints"),
        ([{"image_id": i, "keypoints": [1.0] * 51, "score": 1} for i in (1, 2)], "several images"),
        (
            [{"keypoints": [1.0] * 51, "score": 1, "agreement": value} for value in (1, [2, 3])],
            "not as many numbers",
        ),
    ],
)
def test_what_is_wrong_with_entries(entries: list[dict], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        Poses.from_coco(entries)


def test_no_tool_is_imported() -> None:
    code = (
        "import sys, numpy; from rcnet_rt import Poses\n"
        "Poses.from_coco([{'keypoints': [1.0] * 51, 'score': 1}])\n"
        "assert not {'torch', 'ultralytics', 'supervision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
