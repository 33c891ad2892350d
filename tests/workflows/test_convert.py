from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.datasets.parquet import files
from rcnet_rt.errors import DatasetError, OutputError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.workflows.convert import Converted, convert
from tests.helpers.joints import with_joint_estimates

pytest.importorskip("pyarrow", reason="pip install 'rcnet-rt[parquet]'")


def random_poses(
    random: np.random.Generator, count: int, joints: int = 17, first_track: int = -1
) -> Poses:
    keypoints = random.normal(300, 99, (count, joints, 2)).astype(np.float32)
    keypoints[random.random((count, joints)) < 0.1] = np.nan
    confidence = np.where(np.isnan(keypoints[..., 0]), 0, random.random((count, joints)))
    corners = random.uniform(0, 500, (count, 2, 2)).cumsum(axis=1)
    return Poses(
        keypoints,
        random.random(count),
        raw_scores=random.random(count),
        keypoint_scores=confidence,
        boxes=corners.reshape(count, 4),
        track_ids=np.arange(count) + first_track,
    )


def write_jsonl(
    path: Path, frames: int, skeleton: str = "coco17", people: int = 4, first_track: int = -1
) -> Path:
    random = np.random.default_rng(0)
    joints = {"coco17": 17, "crowdpose14": 14}[skeleton]
    header = Header("clip.mp4", "model", "weights", skeleton, 0.5, "yolo-pose", (640, 480))
    with JsonLinesWriter(path, header) as writer:
        for index in range(frames):
            count = int(random.integers(0, people + 1))
            poses = random_poses(random, count, joints, first_track)
            if index % 2:
                poses = with_joint_estimates(poses)
            file = f"{index}.png" if index % 5 == 0 else None
            time = None if file else index / 29.97
            writer.write(index, time, poses, poses.scores >= 0.5, file)
    return path


@pytest.mark.parametrize("skeleton", ["coco17", "crowdpose14"])
def test_json_lines_through_a_parquet_folder_stay_the_same_text(
    tmp_path: Path, skeleton: str
) -> None:
    lines = write_jsonl(tmp_path / "a.jsonl", 50, skeleton)
    there = convert(lines, tmp_path / "parquet", target_format="parquet")
    assert (there.source_format, there.frames, there.lost) == ("jsonl", 50, ())
    back = convert(tmp_path / "parquet", tmp_path / "b.jsonl")
    assert back.lost == ()
    assert (tmp_path / "b.jsonl").read_text() == lines.read_text()


def test_a_parquet_file_has_no_place_for_frames_without_poses(tmp_path: Path) -> None:
    lines = write_jsonl(tmp_path / "a.jsonl", 50)
    there = convert(lines, tmp_path / "a.parquet")
    assert there.lost == ("frames without poses",)
    convert(tmp_path / "a.parquet", tmp_path / "b.jsonl.gz")
    with gzip.open(tmp_path / "b.jsonl.gz", "rt") as file:
        got = file.read().splitlines()
    assert got == [line for line in lines.read_text().splitlines() if '"poses": []' not in line]


def test_real_coco_results_through_parquet_stay_the_same_numbers(
    small_data: Path, tmp_path: Path
) -> None:
    results = small_data / "predictions" / "yolov8n-pose_val2017.json.gz"
    convert(results, tmp_path / "a.parquet")
    done = convert(tmp_path / "a.parquet", tmp_path / "b.json.gz")
    assert done.lost == ()
    with gzip.open(results) as file, gzip.open(tmp_path / "b.json.gz") as other:
        before, after = json.load(file), json.load(other)
    before = sorted(before, key=lambda entry: entry["image_id"])
    after = sorted(after, key=lambda entry: entry["image_id"])
    assert len(before) == len(after) > 100
    for entry, again in zip(before, after, strict=True):
        assert entry["image_id"] == again["image_id"]
        for key in ("score", "keypoints", "bbox"):
            numbers = (np.float32(entry[key]), np.float32(again[key]))
            np.testing.assert_allclose(*numbers, rtol=1e-5)
    # What was float32 once stays so to the bit.
    convert(tmp_path / "b.json.gz", tmp_path / "c.parquet")
    convert(tmp_path / "c.parquet", tmp_path / "d.json")
    assert json.loads((tmp_path / "d.json").read_text()) == json.loads(
        gzip.decompress((tmp_path / "b.json.gz").read_bytes())
    )


def test_an_openpose_folder_through_parquet_stays_the_same_files(tmp_path: Path) -> None:
    # OpenPose's -1 says that nobody tracks, so that no person of a frame has it.
    lines = write_jsonl(tmp_path / "a.jsonl", 20, first_track=0)
    with_files = [line for line in lines.read_text().splitlines() if '"file"' not in line]
    lines.write_text("\n".join(with_files))
    there = convert(lines, tmp_path / "openpose", target_format="openpose")
    assert {"box", "time", "score_raw", "kept", "weights"} <= set(there.lost)
    assert "track" not in there.lost
    names = sorted(path.name for path in (tmp_path / "openpose").iterdir())
    assert names[0] == "clip_000000000001_keypoints.json"
    convert(tmp_path / "openpose", tmp_path / "parquet", target_format="parquet")
    convert(tmp_path / "parquet", tmp_path / "again", target_format="openpose")
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == names
    for name in names:
        once = json.loads((tmp_path / "openpose" / name).read_text())
        assert once == json.loads((tmp_path / "again" / name).read_text())


def test_what_a_file_has_beside_poses_is_told(tmp_path: Path) -> None:
    entry = {"image_id": "a.jpg", "category_id": 2, "keypoints": [1.0] * 51, "score": 0.5}
    (tmp_path / "a.json").write_text(json.dumps([{**entry, "center": [1, 2]}]))
    assert convert(tmp_path / "a.json", tmp_path / "a.parquet").lost == ("category_id", "center")
    lines = write_jsonl(tmp_path / "a.jsonl", 3)
    with lines.open("a") as file:
        file.write('{"event": "gap", "time": 3.0}\n')
    assert "events" in convert(lines, tmp_path / "b.parquet").lost
    person = {"pose_keypoints_2d": [1.0] * 75, "hand_left_keypoints_2d": [1, 2, 3]}
    (tmp_path / "op").mkdir()
    (tmp_path / "op" / "a_1_keypoints.json").write_text(json.dumps({"people": [person]}))
    assert convert(tmp_path / "op", tmp_path / "c.parquet").lost == ("hand_left_keypoints_2d",)


def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BLOCK", 100)
    peaks = [
        _peaks(tmp_path, write_jsonl(tmp_path / f"{frames}.jsonl", frames), str(frames))
        for frames in (200, 800)
    ]
    for few, many in zip(*peaks, strict=True):
        assert many < 1.5 * few + 100_000


def _peaks(folder: Path, lines: Path, name: str) -> list[int]:
    steps = [
        (lines, folder / f"{name}.parquet"),
        (folder / f"{name}.parquet", folder / f"{name}.again.jsonl"),
        (folder / f"{name}.parquet", folder / f"{name}.json"),
    ]
    return [_peak(source, target) for source, target in steps]


def _peak(source: Path, target: Path) -> int:
    tracemalloc.start()
    try:
        convert(source, target)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_faults_are_told_and_leave_nothing(tmp_path: Path) -> None:
    lines = write_jsonl(tmp_path / "a.jsonl", 5)
    with pytest.raises(OutputError, match="which format"):
        convert(lines, tmp_path / "folder")
    with pytest.raises(DatasetError, match="no such file"):
        convert(tmp_path / "nothing.json", tmp_path / "b.jsonl")
    crowd = write_jsonl(tmp_path / "crowd.jsonl", 3, "crowdpose14")
    with pytest.raises(DatasetError, match="no order of joints for crowdpose14"):
        convert(crowd, tmp_path / "openpose", target_format="openpose")
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError, match="there already"):
        convert(lines, tmp_path / "there", target_format="parquet")
    with lines.open("a") as file:
        file.write('{"frame": 9, "poses": [{"keypo')
    for name in ("b.parquet", "b.json", "b.jsonl"):
        with pytest.raises(DatasetError, match="line 7"):
            convert(lines, tmp_path / name)
        assert not (tmp_path / name).exists()
    assert not list(tmp_path.glob(".*"))


def test_the_result_says_what_was_done(tmp_path: Path) -> None:
    lines = write_jsonl(tmp_path / "a.jsonl", 5)
    done = convert(lines, tmp_path / "a.json")
    assert isinstance(done, Converted)
    assert (done.frames, done.source_format, done.target_format) == (5, "jsonl", "coco")
