"""What fuzzing found: each of these raised something else than an `RcnetError`, or warned."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from rcnet_rt import Poses
from rcnet_rt.datasets.annotations import load_annotations
from rcnet_rt.errors import DatasetError, PosesError, RcnetError, SourceError
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.video.address import parse_address
from rcnet_rt.workflows.rescore import rescore
from tests.fuzz.test_fuzz import ANNOTATIONS, FRAME, HEADER, MMPOSE, OPENPOSE, RESULTS, WEIGHTS

HUGE, LARGE = 10**400, 1e308  # beyond a double, beyond single precision


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy of a JSON value with one part replaced."""
    value = copy.deepcopy(value)
    part = value
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = new
    return value


RESULT_PATHS = [(0, "keypoints", 0), (0, "score"), (0, "bbox", 0), (1, "consensus", 0)]


@pytest.mark.parametrize("path", RESULT_PATHS, ids=str)
@pytest.mark.parametrize("number", [HUGE, LARGE, {}, [[1.0]]], ids=["huge", "large", "{}", "[[]]"])
@pytest.mark.parametrize("on_error", ["raise", "raw"])
def test_results(tmp_path: Path, path: Any, number: Any, on_error: Any) -> None:
    file, out = tmp_path / "results.json", tmp_path / "out.json"
    file.write_text(json.dumps(changed(RESULTS, path, number)))
    if number == LARGE and (on_error == "raw" or path[1] == "consensus"):
        rescore(file, out, WEIGHTS, on_error=on_error)
        assert len(json.loads(out.read_text())) == 2
        return
    with pytest.raises(DatasetError):
        rescore(file, out, WEIGHTS, on_error=on_error)
    assert not out.exists()


def test_what_is_damaged_is_right_before(tmp_path: Path) -> None:
    """Or the fuzzing would see refusals alone."""
    lines = f"{json.dumps(HEADER)}\n{json.dumps(FRAME)}\n"
    for index, content in enumerate([json.dumps(RESULTS), json.dumps(MMPOSE), lines]):
        file = tmp_path / f"{index}.json"
        file.write_text(content)
        assert rescore(file, tmp_path / "out.json", WEIGHTS).poses == [2, 1, 1][index]
    (tmp_path / "poses").mkdir()
    (tmp_path / "poses" / "a_keypoints.json").write_text(json.dumps(OPENPOSE))
    assert rescore(tmp_path / "poses", tmp_path / "out", WEIGHTS).poses == 1
    file.write_text(json.dumps(ANNOTATIONS))
    assert len(load_annotations(file, "val2017", COCO17)[0].images) == 1


def test_signals_of_different_lengths_in_one_image(tmp_path: Path) -> None:
    entry = RESULTS[1]
    file = tmp_path / "results.json"
    file.write_text(json.dumps([entry, {**entry, "consensus": [0.5]}]))
    with pytest.raises(DatasetError, match=r"image b\.jpg: consensus, agreement, embedding"):
        rescore(file, tmp_path / "out.json", WEIGHTS)


POSE = ("poses", 0)


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("poses",), None),
        (("frame",), float("inf")),
        (("image_size",), [HUGE, 480]),
        *(
            ((*POSE, *part), number)
            for part in (("score_raw",), ("box", 0), ("keypoints", 1, 0))
            for number in (HUGE, LARGE)
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_recordings(tmp_path: Path, path: Any, new: Any) -> None:
    file = tmp_path / "recording.jsonl"
    file.write_text(f"{json.dumps(HEADER)}\n{json.dumps(changed(FRAME, path, new))}\n")
    with pytest.raises(RcnetError):
        rescore(file, tmp_path / "out.jsonl", WEIGHTS)


@pytest.mark.parametrize("key", ["score", "person_id"])
def test_openpose(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "poses"
    folder.mkdir()
    content = changed(OPENPOSE, ("people", 0, key), HUGE)
    (folder / "a_keypoints.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="is no OpenPose file"):
        rescore(folder, tmp_path / "out", WEIGHTS)


def test_mmpose(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(changed(MMPOSE, (0, "instances", 0, "bbox_score"), HUGE)))
    with pytest.raises(DatasetError, match="is not MMPose's predictions"):
        rescore(file, tmp_path / "out.json", WEIGHTS)


def test_annotations(tmp_path: Path) -> None:
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps(changed(ANNOTATIONS, ("annotations", 0, "num_keypoints"), HUGE)))
    with pytest.raises(DatasetError, match="is damaged"):
        load_annotations(file, "val2017", COCO17)


def test_image_size() -> None:
    with pytest.raises(PosesError, match="image_size: expected"):
        Poses.empty(17, image_size=(HUGE, 480))


@pytest.mark.parametrize("text", ["", "camera", "rtsp:/camera", "://camera"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(SourceError, match=r"is no address; expected one of rtsp://"):
        parse_address(text)
