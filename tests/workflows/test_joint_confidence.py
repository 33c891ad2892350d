"""`refine --joint-confidence`: joint estimates in every format, and nowhere without it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt import Poses, rescore
from rcnet_rt.datasets import jsonl
from rcnet_rt.datasets.openpose import read_openpose, write_openpose
from rcnet_rt.datasets.openpose_layouts import BODY_25
from rcnet_rt.datasets.results import poses_by_image, poses_to_entries, read_results
from rcnet_rt.errors import DatasetError, WeightsError
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.workflows import rescore as workflow
from tests.helpers.joints import JointRefiner, with_joint_estimates

WEIGHTS = "formula:score_times_confidence"
NAMES = "out.json", "scores.json"
KEYS = {"joint_confidence", "joint_covariance"}


@pytest.fixture
def joint_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "Refiner", JointRefiner)


@pytest.fixture
def poses(random_poses: Poses) -> Poses:
    """Five poses; a joint of the second was not found."""
    keypoints = random_poses.keypoints.copy()
    keypoints[1, 3] = np.nan
    return Poses(keypoints, random_poses.scores, keypoint_scores=random_poses.keypoint_scores)


@pytest.fixture
def results(poses: Poses, tmp_path: Path) -> Path:
    entries = [*poses_to_entries(poses[:2], 7), *poses_to_entries(poses[2:], 3)]
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{**entry, "note": 1.50} for entry in entries]))
    return path


def assert_estimates(found: Poses, poses: Poses) -> None:
    expected = with_joint_estimates(poses)
    np.testing.assert_array_equal(found.joint_confidence, expected.joint_confidence)
    np.testing.assert_array_equal(found.joint_covariance, expected.joint_covariance)


@pytest.mark.usefixtures("joint_head")
def test_coco_results(results: Path, poses: Poses, tmp_path: Path) -> None:
    rescore(results, tmp_path / "out.json", WEIGHTS, joint_confidence=True)
    entries = read_results(tmp_path / "out.json")
    found = poses_by_image(entries, COCO17)
    assert_estimates(found[7].poses, poses[:2])
    assert_estimates(found[3].poses, poses[2:])
    assert entries[1]["joint_covariance"][3] is None
    assert entries[1]["joint_confidence"][3] == 0
    plain = [{k: v for k, v in entry.items() if k not in KEYS} for entry in entries]
    rescore(results, tmp_path / "without.json", WEIGHTS)
    assert plain == read_results(tmp_path / "without.json")


@pytest.mark.usefixtures("joint_head")
def test_results_that_have_estimates_are_refused(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    rescore(results, out, WEIGHTS, joint_confidence=True)
    with pytest.raises(DatasetError, match="has joint_confidence already"):
        rescore(out, tmp_path / "twice.json", WEIGHTS, joint_confidence=True)
    rescore(out, tmp_path / "scores.json", WEIGHTS)  # what is there stays
    before, after = ([{**e, "score": 0} for e in read_results(tmp_path / name)] for name in NAMES)
    assert before == after


@pytest.mark.usefixtures("joint_head")
def test_a_recording(poses: Poses, tmp_path: Path) -> None:
    path, out = tmp_path / "poses.jsonl", tmp_path / "out.jsonl"
    header = jsonl.Header("a.mp4", "yolov8n-pose", "none", "coco17", 0.25)
    with jsonl.JsonLinesWriter(path, header) as writer:
        writer.write(0, 0.0, poses, np.ones(5, bool))
        writer.write(1, 0.1, Poses.empty(17), np.ones(0, bool))
    rescore(path, out, WEIGHTS)
    assert not KEYS & set(next(jsonl.read_lines(out))["poses"][0])
    rescore(path, out, WEIGHTS, joint_confidence=True)
    first, second = (frame.poses for frame in jsonl.read(out)[1])
    assert_estimates(first, poses)
    assert len(second) == 0
    with jsonl.JsonLinesWriter(path, header) as writer:  # as `run --json` writes them
        writer.write(0, 0.0, with_joint_estimates(poses), np.ones(5, bool))
    assert_estimates(next(jsonl.read(path)[1]).poses, poses)


@pytest.mark.usefixtures("joint_head")
def test_c_of_an_openpose_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    values = np.column_stack([np.arange(50).reshape(25, 2) + 20.0, np.full(25, 0.75)])
    values[BODY_25[4]] = 0  # right ear
    people = [{"pose_keypoints_2d": values.ravel().tolist()}, {"pose_keypoints_2d": []}]
    (folder / "a_000_keypoints.json").write_text(json.dumps({"people": people}))
    expected = with_joint_estimates(read_openpose(folder).images[0])
    rescore(folder, tmp_path / "out", WEIGHTS, joint_confidence=True)
    written = json.loads((tmp_path / "out" / "a_000_keypoints.json").read_text())["people"]
    joints = np.reshape(written[0]["pose_keypoints_2d"], (25, 3))
    np.testing.assert_array_equal(joints[:, :2], values[:, :2])
    np.testing.assert_array_equal(joints[list(BODY_25), 2], expected.joint_confidence[0])
    others = sorted(set(range(25)) - set(BODY_25))
    assert (joints[others, 2] == 0.75).all()
    assert joints[BODY_25[4], 2] == 0
    assert written[1]["pose_keypoints_2d"] == []
    rescore(folder, tmp_path / "raw", WEIGHTS)
    raw = json.loads((tmp_path / "raw" / "a_000_keypoints.json").read_text())["people"]
    assert raw[0]["pose_keypoints_2d"] == values.ravel().tolist()


@pytest.mark.parametrize("estimated", [True, False])
def test_a_new_openpose_folder(poses: Poses, tmp_path: Path, estimated: bool) -> None:
    given = with_joint_estimates(poses) if estimated else poses
    write_openpose(tmp_path / "cam01_json", [given, Poses.empty(17)], "cam01")
    names = sorted(path.name for path in (tmp_path / "cam01_json").iterdir())
    assert names == ["cam01_000000.json", "cam01_000001.json"]
    first, second = read_openpose(tmp_path / "cam01_json").images
    np.testing.assert_array_equal(first.keypoints, poses.keypoints)
    np.testing.assert_array_equal(first.scores, poses.scores)
    confidence = given.joint_confidence if estimated else poses.keypoint_scores
    np.testing.assert_array_equal(first.keypoint_scores, np.where(poses.found, confidence, 0))
    assert len(second) == 0


def test_weights_without_a_joint_head(results: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no joint head"):
        rescore(results, tmp_path / "out.json", WEIGHTS, joint_confidence=True)
    assert not (tmp_path / "out.json").exists()
