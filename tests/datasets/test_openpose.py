"""OpenPose folders: joints become COCO's, scores are added, all else stays."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rcnet_rt import Refiner
from rcnet_rt.cli import main
from rcnet_rt.datasets.openpose import read_openpose
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.skeletons import COCO17

# OpenPose's own names, in its own order (its doc/02_output.md).
COCO18 = re.findall(
    r"\w+",
    "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle "
    "REye LEye REar LEar",
)
BODY25 = re.findall(
    r"\w+",
    "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee "
    "LAnkle REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel",
)


def person(joints: int, rng: np.random.Generator, missing: tuple[int, ...] = ()) -> dict[str, Any]:
    values = np.column_stack([rng.uniform(10, 400, (joints, 2)), rng.uniform(0.1, 0.95, joints)])
    values[list(missing)] = 0
    return {
        "person_id": [-1],
        "pose_keypoints_2d": values.ravel().tolist(),
        "face_keypoints_2d": [],
        "pose_keypoints_3d": [],
    }


def write(folder: Path, frames: list[list[dict[str, Any]]]) -> Path:
    folder.mkdir()
    for number, people in enumerate(frames):
        content = {"version": 1.3, "people": people}
        (folder / f"clip_{number:012}_keypoints.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def frames() -> list[list[dict[str, Any]]]:
    rng = np.random.default_rng(0)
    return [
        [person(25, rng), person(25, rng, missing=(4, 8, 20))],
        [],
        [person(25, rng)],
    ]


@pytest.fixture
def folder(tmp_path: Path, frames: list[list[dict[str, Any]]]) -> Path:
    return write(tmp_path / "openpose", frames)


def refine(source: Path, out: Path, *more: object) -> int | str | None:
    with pytest.raises(SystemExit) as stopped:
        main(["refine", str(source), "--out", str(out), *map(str, more)])
    return stopped.value.code


@pytest.mark.parametrize("names", [COCO18, BODY25])
def test_joints_are_found_by_their_names(tmp_path: Path, names: list[str]) -> None:
    numbered = [[index, 2 * index, 0.5] for index in range(1, len(names) + 1)]
    made = {"pose_keypoints_2d": np.ravel(numbered).tolist()}
    (poses,) = read_openpose(write(tmp_path / "folder", [[made]])).images
    for place, name in enumerate(COCO17.keypoints):
        side, _, part = name.partition("_")
        theirs = f"{side[0].upper()}{part.capitalize()}" if part else name.capitalize()
        assert poses.keypoints[0, place, 0] == names.index(theirs) + 1, name


def test_frames_in_order_and_joints_not_found(folder: Path) -> None:
    read = read_openpose(folder)
    assert read.names == [f"clip_{number:012}" for number in range(3)]
    assert [len(poses) for poses in read.images] == [2, 0, 1]
    first = read.images[0]
    assert first.found.sum(axis=1).tolist() == [17, 16]
    assert first.track_ids is None
    assert first.boxes is None


def test_the_mean_confidence_stands_in_for_a_score(folder: Path, frames: list) -> None:
    poses = read_openpose(folder).images[0]
    expected = [np.mean(made["pose_keypoints_2d"][2::3]) for made in frames[0]]
    np.testing.assert_allclose(poses.scores, expected, rtol=1e-6)


def test_refining_adds_scores_and_changes_nothing(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "refined"
    assert refine(folder, out, "--weights", "generic") == 0
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in folder.iterdir())
    for path in folder.iterdir():
        before, after = json.loads(path.read_text()), json.loads((out / path.name).read_text())
        scores = [made.pop("score") for made in after["people"]]
        assert after == before
        assert all(0 <= score <= 1 for score in scores)
    again = read_openpose(out)
    assert [len(poses) for poses in again.images] == [2, 0, 1]
    np.testing.assert_array_equal(again.images[0].scores, np.float32(_scores(out, 0)))


def _scores(folder: Path, frame: int) -> list[float]:
    path = sorted(folder.iterdir())[frame]
    return [made["score"] for made in json.loads(path.read_text())["people"]]


def test_scores_are_those_of_the_poses(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "refined"
    assert refine(folder, out, "--weights", "formula:mean_confidence") == 0
    expected = Refiner("formula:mean_confidence").batch(read_openpose(folder).images)
    np.testing.assert_array_equal(np.float32(_scores(out, 0)), expected[0].scores)


def test_a_folder_that_is_there_stays(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert refine(folder, folder) == 1
    assert "is there already" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["openpose"]


def test_people_of_whom_only_a_hand_was_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [[{"pose_keypoints_2d": [], "hand_left_keypoints_2d": [1, 2, 0.5]}, person(25, rng)]]
    folder = write(tmp_path / "folder", frames)
    (poses,) = read_openpose(folder).images
    assert poses.found.sum(axis=1).tolist() == [0, 17]
    assert poses.scores[0] == 0
    assert refine(folder, tmp_path / "out") == 0


def test_track_ids(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tracked = [{**person(18, rng), "person_id": [number]} for number in (4, 2)]
    (poses,) = read_openpose(write(tmp_path / "folder", [tracked])).images
    assert poses.track_ids.tolist() == [4, 2]


@pytest.mark.parametrize("content", [{"people": [{}]}, {"bodies": []}, [], {"people": [3]}])
def test_files_that_are_none(tmp_path: Path, content: Any) -> None:
    (tmp_path / "a_keypoints.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"a_keypoints.json is no OpenPose file"):
        read_openpose(tmp_path)


def test_other_skeletons(tmp_path: Path) -> None:
    mpi = person(15, np.random.default_rng(0))
    with pytest.raises(DatasetError, match="15 joints"):
        read_openpose(write(tmp_path / "folder", [[mpi]]))


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no OpenPose files"):
        read_openpose(tmp_path)
