from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.results import (
    keypoint_values,
    poses_by_image,
    read_results,
    scores_of,
    with_scores,
    write_results,
)
from rcnet_rt.errors import DatasetError, OutputError
from rcnet_rt.files import writing
from rcnet_rt.poses.skeletons import COCO17


def entry(image: int = 7, score: float = 0.5, **more: object) -> dict:
    keypoints = [value for joint in range(17) for value in (joint + 0.1, 2.0 * joint, 0.5)]
    return {
        "image_id": image,
        "category_id": 1,
        "keypoints": keypoints,
        "score": score,
        "bbox": [1.0, 2.0, 30.0, 40.0],
        **more,
    }


def write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("name", ["out.json", "out.json.gz"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    entries = [entry(score=0.1 + 0.2, note={"kept": [1e-300, None]}), entry(image=3)]
    write_results(tmp_path / name, entries)
    assert read_results(tmp_path / name) == entries
    first = (tmp_path / name).read_bytes()
    assert first.startswith(b"\x1f\x8b") == name.endswith(".gz")
    write_results(tmp_path / name, entries)
    assert (tmp_path / name).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_gzip_is_told_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "packed.json"
    path.write_bytes(gzip.compress(json.dumps([entry()]).encode()))
    assert read_results(path) == [entry()]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.json"
    write_results(path, [entry()])

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_results(path, [])
    monkeypatch.undo()
    assert read_results(path) == [entry()]
    assert [found.name for found in tmp_path.iterdir()] == ["out.json"]


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the folder must exist"):
        write_results(tmp_path / "nowhere" / "out.json", [])


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        read_results(tmp_path / "absent.json")
    whole = json.dumps([entry()]).encode()
    for part in (whole[:-9], gzip.compress(whole)[:-9], b"\x1f\x8bnonsense", b""):
        (tmp_path / "cut.json").write_bytes(part)
        with pytest.raises(DatasetError, match=r"cut\.json is cut off or not JSON"):
            read_results(tmp_path / "cut.json")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"images": []}, "expected a list of entries, got dict"),
        ([entry(), 3], "entry 1 is not an object, got int"),
        ([entry(), {"image_id": 1, "score": 1.0}], "entry 1 lacks category_id, keypoints"),
        ([entry(image_id=None)], "entry 0 has image_id None; expected a number or text"),
        ([entry(score="high")], "entry 0 has score 'high'"),
        ([entry(keypoints=None)], "entry 0 has keypoints that are not a list"),
        ([entry(bbox=[1, 2, 3])], r"entry 0 has bbox \[1, 2, 3\]; expected x, y, width, height"),
    ],
)
def test_faulty_entries(tmp_path: Path, value: object, sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        read_results(write(tmp_path / "results.json", value))


def test_only_the_score_changes() -> None:
    entries = [entry(note="kept"), entry(image=3)]
    before = json.dumps(entries)
    changed = with_scores(entries, np.array([0.25, 0.1], dtype=np.float32))
    assert json.dumps(entries) == before
    assert [list(new) for new in changed] == [list(old) for old in entries]
    assert [new["score"] for new in changed] == [0.25, float(np.float32(0.1))]
    assert all(type(new["score"]) is float for new in changed)
    assert [{**new, "score": 0.5} for new in changed] == entries


@pytest.mark.parametrize("scores", [[0.5], [0.5, math.nan], [[0.5, 0.5]]])
def test_scores_that_do_not_fit(scores: list) -> None:
    with pytest.raises(DatasetError, match="expected 2 finite scores"):
        with_scores([entry(), entry()], scores)


def test_poses_of_each_image() -> None:
    entries = [entry(7), entry(3), entry(7, score=0.9)]
    found = poses_by_image(entries, COCO17, {7: (640, 480)})
    assert list(found) == [7, 3]
    assert found[7].entries.tolist() == [0, 2]
    assert found[7].poses.scores.tolist() == [0.5, np.float32(0.9)]
    assert found[7].poses.image_size == (640, 480)
    assert found[3].poses.image_size is None
    assert found[7].poses.boxes is not None
    assert found[7].poses.boxes.tolist() == [[1, 2, 31, 42]] * 2
    joints = np.reshape(entry()["keypoints"], (17, 3)).astype(np.float32)
    np.testing.assert_array_equal(found[3].poses.keypoints[0], joints[:, :2])
    np.testing.assert_array_equal(found[3].poses.keypoint_scores, joints[None, :, 2])


def test_a_joint_not_found_is_nan() -> None:
    keypoints = [5.0, 6.0, 0.9] * 17
    keypoints[:12] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.3, 0.0, -3.0, 0.0, 4.0, 8.0, 0.0]
    poses = poses_by_image([entry(keypoints=keypoints)], COCO17)[7].poses
    assert poses.found[0].tolist() == [False, True, False] + [True] * 14


def test_flags_are_no_confidences() -> None:
    flags = entry(keypoints=[3.0, 4.0, 2.0] * 16 + [0, 0, 0])
    assert poses_by_image([flags], COCO17)[7].poses.keypoint_scores is None
    mixed = poses_by_image([flags, entry(image=8)], COCO17)
    assert mixed[7].poses.keypoint_scores is not None, "one confidence in the file is enough"


def test_absent_boxes() -> None:
    without = entry()
    del without["bbox"]
    found = poses_by_image([without, entry(8), entry(9, bbox=[])], COCO17)
    assert found[7].poses.boxes is None
    assert found[8].poses.boxes is not None
    assert found[9].poses.boxes is None


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_scores_that_are_not_finite(score: float) -> None:
    with pytest.raises(DatasetError, match=r"entry 1 \(image 9\) of the results has the score"):
        poses_by_image([entry(), entry(9, score)], COCO17)
    poses = poses_by_image([entry(9, score)], COCO17, finite_scores=False)[9].poses
    np.testing.assert_array_equal(poses.scores, [np.float32(score)])


def test_wrong_keypoints() -> None:
    sixteen = entry(9, keypoints=[1.0] * 48)
    with pytest.raises(DatasetError, match=r"entry 1 .* 48 keypoint values \(16 joints\).* 51"):
        poses_by_image([entry(), sixteen], COCO17)
    with pytest.raises(DatasetError, match="keypoint value 'a'"):
        poses_by_image([entry(keypoints=["a"] * 51)], COCO17)


def test_no_entries() -> None:
    assert poses_by_image([], COCO17) == {}
    assert keypoint_values([], COCO17).shape == (0, 17, 3)
    assert scores_of([]).shape == (0,)


def test_real_results_survive_to_the_bit(shared_data: Path, tmp_path: Path) -> None:
    for path in (shared_data / "predictions").glob("*.json.gz"):
        entries = read_results(path)
        write_results(tmp_path / path.name, with_scores(entries, scores_of(entries)))
        assert read_results(tmp_path / path.name) == entries
        poses = poses_by_image(entries, COCO17)
        assert sum(len(image.poses) for image in poses.values()) == len(entries)
        lightweight = path.name.startswith("lightweight")
        first = next(iter(poses.values())).poses
        assert (first.keypoint_scores is None) == (first.boxes is None) == lightweight


@pytest.mark.parametrize("placeholder", [(0, 0), (0, -3), (-1, -1), (-0.5, 40), (40, 0)])
def test_placeholders_of_joints_that_were_not_found(placeholder: tuple[float, float]) -> None:
    keypoints = [5.0, 6.0, 0.9] * 17
    keypoints[:3] = [*placeholder, 0.0]
    poses = poses_by_image([entry(keypoints=keypoints)], COCO17)[7].poses
    assert poses.found[0].tolist() == [False] + [True] * 16
    seen = poses_by_image([entry(keypoints=[*placeholder, 0.1, *keypoints[3:]])], COCO17)[7].poses
    assert seen.found.all(), "a joint with confidence may be left of the image"


def test_shared_case_of_placeholders(shared_data: Path) -> None:
    path = shared_data.parent / "cases" / "results" / "openpifpaf_as_results.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    entries = read_results(path)
    (image,) = poses_by_image(entries, COCO17).values()
    third = np.array([entry["keypoints"][2::3] for entry in entries])
    np.testing.assert_array_equal(image.poses.found, third > 0)
