"""Each tool's files: a small sample in its form, read, refined, written back with its score alone.

The numbers are ours; what they are called, and what they mean, is the tools'.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rcnet_rt.cli import main
from rcnet_rt.datasets.formats import RESULTS_FORMATS, ResultsFormat
from rcnet_rt.datasets.pose_files import read_pose_file, skeleton_of
from rcnet_rt.datasets.results import read_results
from rcnet_rt.errors import DatasetError
from rcnet_rt.rescoring.score_convention import (
    CONSTANT_JOINTS,
    NO_JOINTS,
    UNBOUNDED_JOINTS,
    UNIT,
    ScoreConvention,
)

IMAGES = (139, 785, 872)
PEOPLE = 3


def joint_scores(form: ResultsFormat, rng: np.random.Generator, joints: int) -> np.ndarray:
    """Return third values as the tool has them."""
    if form.convention.joints == CONSTANT_JOINTS:
        return np.full(joints, 1 / (1 + np.exp(-1.0)))
    if form.convention.joints == NO_JOINTS:
        return rng.integers(0, 2, joints)
    if form.convention.joints == UNBOUNDED_JOINTS:
        return rng.uniform(0.2, 2.5, joints)
    return rng.uniform(0.0, 1.02, joints)


def entry(name: str, image: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return one pose in the tool's form."""
    form = RESULTS_FORMATS[name]
    third = joint_scores(form, rng, form.joints)
    points = rng.uniform(10, 300, 2) + rng.uniform(0, 120, (form.joints, 2))
    points[third == 0] = 0
    score = rng.uniform(0.1, 0.9) if form.convention.poses == UNIT else rng.uniform(0.3, 3.0)
    made: dict[str, Any] = {
        "image_id": image,
        "category_id": 1,
        "keypoints": np.column_stack([points, third]).ravel().tolist(),
        "score": float(score),
    }
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    if form.box and "box" not in form.more:
        made["bbox"] = [*low.tolist(), *size.tolist()]
    extras: dict[str, Any] = {
        "center": (low + size / 2).tolist(),
        "scale": (size / 200).tolist(),
        "file_name": f"{image:012}.jpg",
        "box": [*low.tolist(), *size.tolist()],
        "idx": int(rng.integers(9)),
    }
    return made | {key: extras[key] for key in form.more}


def sample(name: str) -> list[dict[str, Any]]:
    rng = np.random.default_rng(len(name))
    entries = [entry(name, image, rng) for image in IMAGES for _ in range(PEOPLE)]
    if name == "ultralytics":  # images whose names are no numbers keep their names
        entries += [{**entry(name, 1, rng), "image_id": "zidane", "file_name": "zidane.jpg"}]
    if name == "AlphaPose":
        entries = [{**made, "image_id": f"{made['image_id']}.jpg"} for made in entries]
    if name == "OpenPifPaf":
        empty = {"image_id": 1000, "category_id": 1, "keypoints": [0.0] * 51, "score": 0.001}
        entries.append(empty)
    return entries


def refine(source: Path, out: Path, *more: object) -> int | str | None:
    with pytest.raises(SystemExit) as stopped:
        main(["refine", str(source), "--out", str(out), *map(str, more)])
    return stopped.value.code


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(entries: list[dict[str, Any]]) -> Path:
        path = tmp_path / "results.json"
        path.write_text(json.dumps(entries, indent=1))
        return path

    return write


@pytest.mark.parametrize("name", RESULTS_FORMATS)
def test_only_the_scores_change(name: str, written: Any, tmp_path: Path) -> None:
    entries = sample(name)
    weights = "generic" if RESULTS_FORMATS[name].joints == 17 else "formula:mean_confidence"
    source, out = written(entries), tmp_path / "refined.json"
    assert refine(source, out, "--weights", weights) == 0
    refined = read_results(out)
    assert [list(made) for made in refined] == [list(made) for made in entries]
    assert [{**made, "score": 0} for made in refined] == [{**made, "score": 0} for made in entries]
    scores = np.array([made["score"] for made in refined])
    assert ((scores >= 0) & (scores <= 1)).all()
    assert len(set(scores.tolist())) > len(scores) / 2


@pytest.mark.parametrize("name", RESULTS_FORMATS)
def test_the_table_says_what_the_numbers_show(name: str, written: Any) -> None:
    file = read_pose_file(written(sample(name)))
    form = RESULTS_FORMATS[name]
    assert ScoreConvention.of(file.images) == form.convention
    assert len(file.skeleton.keypoints) == form.joints
    for poses in file.images:
        assert (poses.boxes is not None) == bool(form.box)
        assert (poses.keypoint_scores is None) == (form.convention.joints == NO_JOINTS)


@pytest.mark.parametrize("name", ["Lightweight OpenPose", "OpenPifPaf"])
def test_zeros_are_joints_that_were_not_found(name: str, written: Any) -> None:
    entries = sample(name)
    missing = sum(made["keypoints"][2::3].count(0) for made in entries)
    found = [poses.found for poses in read_pose_file(written(entries)).images]
    assert missing == sum(int((~mask).sum()) for mask in found) > 0


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("ED-Pose, GroupPose", "constant joint scores"),
        ("AlphaPose", "above 0, without bound; joint scores in [0, 1]"),
        ("Lightweight OpenPose", "above 0, without bound; no joint scores"),
        ("mmpose 1.x", "in [0, 1]; joint scores without bound"),
        ("HRNet, mmpose 0.x", None),
        ("DEKR", None),
    ],
)
def test_weights_made_for_yolo_are_refused_where_scores_mean_something_else(
    name: str, refusal: str | None, written: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "refined.json"
    assert refine(written(sample(name)), out, "--weights", "yolo-pose") == int(refusal is not None)
    said = capsys.readouterr().err
    if refusal is not None:
        assert refusal in said
        assert "give --weights generic" in said
        assert not out.exists()


@pytest.mark.parametrize("joints", [26, 133, 136])
def test_whole_bodies_begin_with_cocos_joints(joints: int, written: Any, tmp_path: Path) -> None:
    entries = sample("AlphaPose")
    whole = copy.deepcopy(entries)
    for made in whole:
        made["keypoints"] += [5.0, 6.0, 0.3] * (joints - 17)
    assert skeleton_of(whole).name == "coco17"
    source, out = written(whole), tmp_path / "whole.json"
    assert refine(source, out) == 0
    refined = read_results(out)
    assert [made["keypoints"] for made in refined] == [made["keypoints"] for made in whole]
    assert refine(written(entries), tmp_path / "body.json") == 0
    expected = [made["score"] for made in read_results(tmp_path / "body.json")]
    assert [made["score"] for made in refined] == pytest.approx(expected, abs=1e-6)


def test_an_unknown_number_of_joints() -> None:
    odd = [{**made, "keypoints": made["keypoints"][:48]} for made in sample("DEKR")]
    with pytest.raises(DatasetError, match="16 keypoints a pose, for which no skeleton is known"):
        skeleton_of(odd)
