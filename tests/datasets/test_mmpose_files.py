"""Predictions of MMPose's demo and inferencer, and OpenPifPaf's of one image."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rcnet_rt.datasets.pose_files import is_results, read_pose_file
from rcnet_rt.datasets.results import read_results
from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.poses import Poses

CASES = ["mmpose_results_demo", "inferencer", "inferencer_video", "openpifpaf.predictions"]


def instance(number: int, joints: int = 17) -> dict[str, Any]:
    return {
        "keypoints": [[50.0 + joint + number, 20.0 + 3 * joint] for joint in range(joints)],
        "keypoint_scores": [0.9] * joints,
        "bbox": [[40, 10, 90, 90]],
        "bbox_score": 0.8 - number / 10,
    }


def halved(images: list[Poses]) -> list[Poses]:
    return [poses.with_scores(poses.scores / 2) for poses in images]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ([instance(0), instance(1)], ["street"]),
        ([{"frame_id": 0, "instances": [instance(0)]}, {"frame_id": 3, "instances": []}], [0, 3]),
        ({"meta_info": {}, "instance_info": [{"frame_id": 1, "instances": [instance(0)]}]}, [0]),
        ({"meta_info": {}, "instance_info": [instance(0)]}, ["street"]),
    ],
)
def test_read_and_written_again(tmp_path: Path, content: Any, names: list[Any]) -> None:
    path = tmp_path / "results_street.json"
    path.write_text(json.dumps(content))
    assert not is_results(path)
    file = read_pose_file(path)
    assert list(file.names) == names
    first = file.images[0]
    assert first.keypoints[0, 1].tolist() == [51, 23]
    assert first.boxes is not None
    assert first.boxes[0].tolist() == [40, 10, 90, 90]
    assert first.scores[0] == np.float32(0.8)
    file.write(tmp_path / "out.json", halved(list(file.images)), 0.5, "weights")
    written = json.loads((tmp_path / "out.json").read_text())
    assert read_pose_file(tmp_path / "out.json").images[0].scores[0] == np.float32(0.4)
    assert without_scores(written) == content


def without_scores(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_scores(item) for key, item in value.items() if key != "score"}
    return [without_scores(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("joints", [26, 133])
def test_whole_bodies_begin_with_those_of_coco(tmp_path: Path, joints: int) -> None:
    (tmp_path / "a.json").write_text(json.dumps([instance(0, joints)]))
    assert read_pose_file(tmp_path / "a.json").images[0].keypoints.shape == (1, 17, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"keypoints": [[1, 2]] * 5, "keypoint_scores": [0.5] * 5},
        {"keypoints": [[1, "a"]] * 17},
        {"keypoint_scores": [0.5] * 3},
        {"keypoints": None},
    ],
)
def test_damaged_instances(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{**instance(0), **change}]))
    with pytest.raises(DatasetError, match=r"a\.json is not MMPose's predictions"):
        read_pose_file(tmp_path / "a.json")


def entries() -> list[dict[str, Any]]:
    keypoints = [0.0, -3.0, 0.0] * 3 + [5.0, 6.0, 0.7] * 14
    return [{"keypoints": keypoints, "bbox": [1, 2, 3, 4], "score": 0.7, "category_id": 1}] * 2


def test_openpifpaf_names_no_image(tmp_path: Path) -> None:
    path = tmp_path / "street.jpg.predictions.json"
    path.write_text(json.dumps(entries()))
    file = read_pose_file(path)
    assert list(file.names) == ["street.jpg"]
    assert file.images[0].found.sum(axis=1).tolist() == [14, 14]
    file.write(tmp_path / "out.json", halved(list(file.images)), 0.5, "weights")
    expected = [{**entry, "score": float(np.float32(0.7) / 2)} for entry in entries()]
    assert json.loads((tmp_path / "out.json").read_text()) == expected
    with pytest.raises(DatasetError, match="entry 0 lacks image_id: predictions of a single image"):
        read_results(path)
    mixed = [{**entries()[0], "image_id": 1}, entries()[1]]
    path.write_text(json.dumps(mixed))
    with pytest.raises(DatasetError, match="entry 1 lacks image_id"):
        read_pose_file(path)


def test_annotations_are_no_results(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"images": [], "annotations": []}')
    with pytest.raises(DatasetError, match="got dict with images, annotations; annotations are"):
        read_pose_file(tmp_path / "a.json")


@pytest.mark.parametrize("case", CASES)
def test_shared_cases(shared_data: Path, tmp_path: Path, case: str) -> None:
    path = shared_data.parent / "cases" / "results" / f"{case}.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    file = read_pose_file(path)
    file.write(tmp_path / "out.json", halved(list(file.images)), 0.5, "weights")
    before, after = (json.loads(p.read_text()) for p in (path, tmp_path / "out.json"))
    assert without_scores(after) == without_scores(copy.deepcopy(before))
