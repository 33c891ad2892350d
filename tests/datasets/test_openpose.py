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
from rcnet_rt.datasets.openpose import read_openpose, write_openpose
from rcnet_rt.datasets.openpose_layouts import LAYOUTS
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


def test_a_person_of_no_track_leaves_the_others_theirs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ids: list[Any] = [[4], [-1], 7, [], None, [-2]]
    people = [{**person(18, rng), "person_id": track} for track in ids]
    del people[4]["person_id"]
    (poses,) = read_openpose(write(tmp_path / "folder", [people])).images
    assert poses.track_ids.tolist() == [4, -1, 7, -1, -1, -1]
    write_openpose(tmp_path / "again", [poses], "a")
    written = json.loads((tmp_path / "again" / "a_000000.json").read_text())["people"]
    assert [one["person_id"] for one in written] == [[4], [-1], [7], [-1], [-1], [-1]]
    (again,) = read_openpose(tmp_path / "again").images
    np.testing.assert_array_equal(again.track_ids, poses.track_ids)


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


# A person who stands, in COCO's order, in hundredths of the height.
STANDING = np.array(
    [
        *((50, 6), (52, 4), (48, 4), (54, 5), (46, 5), (60, 18), (40, 18), (64, 33), (36, 33)),
        *((66, 47), (34, 47), (56, 50), (44, 50), (57, 73), (43, 73), (58, 95), (42, 95)),
    ]
)
FEET = {25: [(62, 98), (64, 97), (57, 99), (38, 98), (36, 97), (43, 99)], 18: [], 19: []}


def standing(layout: str, rng: np.random.Generator, missing: float = 0.0) -> dict[str, Any]:
    """Return a standing person in an order of joints, turned, shifted and scaled, with noise."""
    known = {item.name: item for item in LAYOUTS}[layout]
    points = np.zeros((known.count, 2))
    points[list(known.coco)] = STANDING
    others = [joint for joint in range(known.count) if joint not in known.coco]
    middle = [(50, 18), (50, 50), (50, 0)]
    spare = {"BODY_25": middle[:2], "BODY_25B": middle[::2], "BODY_19": middle[:2]}
    places = [*spare.get(layout, middle[:1]), *FEET[known.count]]
    points[others] = places[: len(others)]
    angle, size = rng.uniform(-0.6, 0.6), rng.uniform(1, 6)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = (points + rng.normal(0, 2, points.shape)) @ turn * size + rng.uniform(100, 900, 2)
    values = np.column_stack([points, rng.uniform(0.2, 0.9, known.count)])
    values[rng.random(known.count) < missing] = 0
    return {"pose_keypoints_2d": values.round(3).ravel().tolist()}


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize(
    "layout", ["BODY_25", "BODY_25B", "COCO_18", "COCO17 with a neck", "BODY_19"]
)
def test_orders_of_joints_are_told_apart(tmp_path: Path, layout: str, missing: float) -> None:
    rng = np.random.default_rng(0)
    for number in range(20):
        people = [standing(layout, rng, missing) for _ in range(3)]
        folder = write(tmp_path / str(number), [people[:2], people[2:]])
        given, told = read_openpose(folder, layout), read_openpose(folder)
        for right, read in zip(given.images, told.images, strict=True):
            np.testing.assert_array_equal(read.keypoints, right.keypoints)


def test_the_order_of_joints_may_be_given(folder: Path) -> None:
    plain, other = read_openpose(folder, "BODY_25"), read_openpose(folder, "BODY_25B")
    assert not np.array_equal(plain.images[0].keypoints, other.images[0].keypoints)
    with pytest.raises(DatasetError, match="unknown order of joints 'BODY_99'; expected one of"):
        read_openpose(folder, "BODY_99")


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_joints_that_are_no_numbers_were_not_found(tmp_path: Path, value: Any) -> None:
    rng = np.random.default_rng(0)
    one, whole = person(25, rng), person(25, rng)
    one["pose_keypoints_2d"][0:3] = [value] * 3
    nobody = {**person(25, rng), "pose_keypoints_2d": [value] * 75}
    source = write(tmp_path / "folder", [[one, whole, nobody]])
    (poses,) = read_openpose(source).images
    assert poses.found.sum(axis=1).tolist() == [16, 17, 0]
    assert poses.scores[0] > 0.1
    assert poses.scores[2] == 0
    assert refine(source, tmp_path / "out", "--weights", "generic") == 0
    assert all(np.isfinite(_scores(tmp_path / "out", 0)))


@pytest.mark.parametrize("ids", [[], None, [-1], -1])
def test_people_without_a_track(tmp_path: Path, ids: Any) -> None:
    made = {**person(25, np.random.default_rng(0)), "person_id": ids}
    if ids is None:
        del made["person_id"]
    (poses,) = read_openpose(write(tmp_path / "folder", [[made]])).images
    assert poses.track_ids is None


@pytest.mark.parametrize("joints", [17, 26, 133, 135, 136])
def test_orders_that_begin_as_coco(tmp_path: Path, joints: int) -> None:
    made = person(joints, np.random.default_rng(0))
    (poses,) = read_openpose(write(tmp_path / "folder", [[made]])).images
    expected = np.float32(made["pose_keypoints_2d"]).reshape(-1, 3)[:17, :2]
    np.testing.assert_array_equal(poses.keypoints[0], expected)


@pytest.mark.parametrize(
    "text",
    [
        '{"people": [], "people": []}',
        '{"people": [], "note": 1e400}',
        '{"people": [{"pose_keypoints_2d": ["1", 2, 3]}]}',
        '{"people": [{"pose_keypoints_2d": [1, 2]}]}',
    ],
)
def test_what_could_not_be_written_as_it_was_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "b_keypoints.json").write_text('{"people": []}')
    (tmp_path / "c_keypoints.json").write_text(text)
    with pytest.raises(
        DatasetError, match=r"c_keypoints\.json is (cut off or not JSON|no OpenPose)"
    ):
        read_openpose(tmp_path)


@pytest.mark.parametrize(
    ("case", "found"),
    [
        ("body25b", [17, 15, 16, 15]),
        ("nan_joint", [16]),
        ("nan_person", [17, 0, 17]),
        ("empty_person_id", [17]),
        ("halpe26", [17]),
        ("coco17", [17]),
        ("null_joint", None),
    ],
)
def test_shared_cases(shared_data: Path, case: str, found: list[int] | None) -> None:
    folder = shared_data.parent / "cases" / "openpose" / case
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    if found is None:
        with pytest.raises(DatasetError, match=r"a_0_keypoints\.json is no OpenPose file"):
            read_openpose(folder)
        return
    images = read_openpose(folder).images
    assert [int(n) for poses in images for n in poses.found.sum(axis=1)] == found
    if case == "body25b":
        for poses in images:
            ankles, nose = poses.keypoints[:, 15:, 1], poses.keypoints[:, 0, 1]
            assert (np.nanmax(ankles, axis=1) > nose).all()
