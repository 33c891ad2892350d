"""JSON Lines: the same bits back, and a sentence for each fault."""

from __future__ import annotations

import gzip
import json
import os
import resource
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter, read, read_lines
from rcnet_rt.datasets.recording import open_recording
from rcnet_rt.errors import DatasetError, OutputError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.nms_consensus import CONSENSUS

HEADER = Header("people.mp4", "yolov8n-pose", "none", "coco17", 0.25, "yolo-pose", (640, 480))


def write(path: Path, *images: Poses, header: Header = HEADER) -> Path:
    with JsonLinesWriter(path, header) as writer:
        for index, poses in enumerate(images):
            writer.write(index, index / 30, poses, poses.scores >= 0.25)
    return path


def same(first: Poses, second: Poses) -> bool:
    names = ("keypoints", "keypoint_scores", "boxes", "scores", "track_ids")
    pairs = [(getattr(first, name), getattr(second, name)) for name in names]
    return all(
        (a is None) == (b is None) and (a is None or np.array_equal(a, b, equal_nan=True))
        for a, b in pairs
    )


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_the_same_bits_back(tmp_path: Path, random_poses: Poses, name: str) -> None:
    poses = random_poses.with_scores(random_poses.scores / 2)
    path = write(tmp_path / name, poses, Poses.empty(17, (640, 480)))
    header, frames = read(path)
    first, second = frames
    assert header == HEADER
    assert same(first.poses, random_poses)  # raw scores, not the refined ones
    assert first.poses.image_size == (640, 480)
    assert (second.index, second.time, len(second.poses)) == (1, 1 / 30, 0)


def test_signals_come_back(tmp_path: Path, random_poses: Poses) -> None:
    rng = np.random.default_rng(2)
    poses = replace(
        random_poses,
        consensus=rng.random((5, len(CONSENSUS))),
        agreement=np.array([np.nan, 0.2, 0.4, np.nan, 1.0]),
        embeddings=rng.random((5, 3)),
    )
    back = next(read(write(tmp_path / "a.jsonl", poses))[1]).poses
    for name in ("consensus", "agreement", "embeddings"):
        np.testing.assert_array_equal(getattr(back, name), getattr(poses, name))


def test_the_contract(tmp_path: Path, random_poses: Poses) -> None:
    poses = replace(random_poses.with_scores([0.9, 0.1, 0.5, 0.5, 0.5]), track_ids=[3, 4, 5, 6, 7])
    header, line = map(json.loads, write(tmp_path / "a.jsonl", poses).read_text().splitlines())
    assert {"rcnet_rt", "source", "estimator", "weights", "skeleton", "threshold"} <= set(header)
    assert list(line) == ["frame", "time", "poses"]
    pose = line["poses"][0]
    assert list(pose) == ["keypoints", "box", "score_raw", "score", "kept", "track"]
    assert pose["keypoints"][0] == [
        *random_poses.keypoints[0, 0],
        random_poses.keypoint_scores[0, 0],
    ]
    assert (np.float32(pose["score"]), pose["kept"], pose["track"]) == (np.float32(0.9), True, 3)
    assert line["poses"][1]["kept"] is False


def test_joints_that_were_not_found_are_null(tmp_path: Path, random_poses: Poses) -> None:
    keypoints, confidence = random_poses.keypoints.copy(), random_poses.keypoint_scores.copy()
    keypoints[0, 5], confidence[0, 5] = np.nan, 0
    keypoints[1] = np.nan
    confidence[1] = 0
    poses = replace(random_poses, keypoints=keypoints, keypoint_scores=confidence)
    path = write(tmp_path / "a.jsonl", poses)
    assert next(read_lines(path))["poses"][0]["keypoints"][5] is None
    assert same(next(read(path)[1]).poses, poses)


def test_what_is_absent_stays_absent(tmp_path: Path, random_poses: Poses) -> None:
    poses = replace(random_poses, keypoint_scores=None, boxes=None)
    path = write(tmp_path / "a.jsonl", poses)
    assert len(next(read_lines(path))["poses"][0]["keypoints"][0]) == 2
    assert same(next(read(path)[1]).poses, poses)


def test_a_pose_of_no_track_leaves_the_others_theirs(tmp_path: Path, random_poses: Poses) -> None:
    poses = replace(random_poses, track_ids=[3, -1, 5, 6, 7])
    path = write(tmp_path / "a.jsonl", poses)
    assert same(next(read(path)[1]).poses, poses)
    lines = path.read_text().splitlines()
    frame = json.loads(lines[1])
    del frame["poses"][2]["track"]
    frame["poses"][3]["track"] = None
    path.write_text(f"{lines[0]}\n{json.dumps(frame)}\n")
    assert next(read(path)[1]).poses.track_ids.tolist() == [3, -1, -1, -1, 7]


def test_images_say_their_file_and_size(tmp_path: Path, random_poses: Poses) -> None:
    with JsonLinesWriter(tmp_path / "a.jsonl", HEADER) as writer:
        poses = replace(random_poses, image_size=(100, 50))
        writer.write(0, None, poses, poses.scores > 0, file="b.jpg")
    frame = next(read(tmp_path / "a.jsonl")[1])
    assert (frame.file, frame.time, frame.poses.image_size) == ("b.jpg", None, (100, 50))


def test_a_url_without_its_credentials(tmp_path: Path, random_poses: Poses) -> None:
    header = replace(HEADER, source="rtsp://user:secret@camera.local/1")
    path = write(tmp_path / "a.jsonl", random_poses, header=header)
    assert "secret" not in path.read_text()
    assert read(path)[0].source == "rtsp://camera.local/1"


def test_numbers_that_json_does_not_know(tmp_path: Path, random_poses: Poses) -> None:
    scores = random_poses.scores.copy()
    scores[0] = np.nan
    path = write(tmp_path / "a.jsonl", replace(random_poses, scores=scores))
    assert "NaN" not in path.read_text()
    assert np.isnan(next(read(path)[1]).poses.scores[0])


def test_event_lines_are_passed_over(tmp_path: Path, random_poses: Poses) -> None:
    path = write(tmp_path / "a.jsonl", random_poses, random_poses)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], '{"event": "gap"}', "", lines[2]]))
    assert [frame.index for frame in read(path)[1]] == [0, 1]


def test_whole_or_not_at_all(tmp_path: Path, random_poses: Poses) -> None:
    path = tmp_path / "a.jsonl"
    with suppress(KeyboardInterrupt), JsonLinesWriter(path, HEADER) as writer:
        writer.write(0, 0.0, random_poses, random_poses.scores > 0)
        assert not path.exists()
        raise KeyboardInterrupt
    assert len(list(read(path)[1])) == 1
    writer.close()
    with JsonLinesWriter(tmp_path / "empty.jsonl", HEADER):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        JsonLinesWriter(tmp_path / "missing" / "a.jsonl", HEADER)


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_a_line_that_is_cut_off(tmp_path: Path, random_poses: Poses, cut: int) -> None:
    path = write(tmp_path / "a.jsonl", random_poses, random_poses)
    path.write_text(path.read_text()[: -cut - 1])
    frames = read(path)[1]
    assert next(frames).index == 0
    with pytest.raises(DatasetError, match="line 3: not JSON"):
        next(frames)


def test_a_gzip_file_that_is_cut_off(tmp_path: Path, random_poses: Poses) -> None:
    path = write(tmp_path / "a.jsonl.gz", *[random_poses] * 50)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DatasetError, match="cut off or damaged"):
        list(read(path)[1])
    (tmp_path / "plain.jsonl.gz").write_text("no gzip")
    with pytest.raises(DatasetError, match="line 1"):
        read(tmp_path / "plain.jsonl.gz")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"frame": 0, "time": 0, "poses": [{"keypoints": [[1, 2, 3]], "score_raw": 1}]}', "shape"),
        ('{"frame": 0, "time": 0}', "KeyError"),
        ('{"frame": 0, "poses": [{"keypoints": 3}]}', "TypeError"),
        ('{"frame": 0, "poses": 5}', "line 2"),
        ("[]", "line 2"),
        ("7", "line 2"),
    ],
)
def test_a_line_that_is_no_frame(
    tmp_path: Path, random_poses: Poses, line: str, message: str
) -> None:
    path = write(tmp_path / "a.jsonl", random_poses)
    path.write_text(path.read_text().splitlines()[0] + "\n" + line + "\n")
    with pytest.raises(DatasetError, match=message):
        list(read(path)[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the header"),
        ('{"frame": 0}', "expected the header"),
        ('{"rcnet_rt": "0.1.0"}', "lacks something"),
        (json.dumps({"rcnet_rt": "0", **dict.fromkeys(("source", "estimator", "weights"), "x"),
                     "skeleton": "snake", "threshold": 0}), "unknown skeleton"),
    ],
)  # fmt: skip
def test_a_header_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(DatasetError, match=message):
        read(tmp_path / "a.jsonl")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read(tmp_path / "a.jsonl")


def test_gz_is_gzip(tmp_path: Path, random_poses: Poses) -> None:
    path = write(tmp_path / "a.jsonl.gz", random_poses)
    assert gzip.decompress(path.read_bytes()).startswith(b'{"rcnet_rt"')


def test_file_names_that_are_not_utf_8(tmp_path: Path, random_poses: Poses) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    path = tmp_path / "a.jsonl"
    header = replace(HEADER, source=name)
    with JsonLinesWriter(path, header) as writer:
        writer.write(0, None, random_poses, random_poses.scores > 0, name)
    assert b"caf\\udce9.jpg" in path.read_bytes()
    path.read_text("utf-8")
    assert [frame.file for frame in read(path)[1]] == [name]
    recording = open_recording(path)
    recording.write(tmp_path / "b.jsonl", lambda images: images, threshold=0.5, weights="w")
    assert [frame.file for frame in read(tmp_path / "b.jsonl")[1]] == [name]


def test_two_writers_of_one_file(tmp_path: Path, random_poses: Poses) -> None:
    path = tmp_path / "a.jsonl"
    first, second = JsonLinesWriter(path, HEADER), JsonLinesWriter(path, HEADER)
    for number in range(2):
        second.write(number, None, random_poses, random_poses.scores > 0)
    first.write(7, None, random_poses, random_poses.scores > 0)
    second.close()
    assert [frame.index for frame in read(path)[1]] == [0, 1]
    first.close()
    assert [frame.index for frame in read(path)[1]] == [7]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_pipe_gets_each_line(tmp_path: Path, random_poses: Poses) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with JsonLinesWriter(pipe, HEADER) as writer:
        writer.write(0, None, random_poses, random_poses.scores > 0)
    reader.join(10)
    assert got[0].count(b"\n") == 2
    assert pipe.is_fifo()


def test_a_full_disk_keeps_whole_lines(tmp_path: Path, random_poses: Poses) -> None:
    path = tmp_path / "a.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"a\.jsonl cannot be written \(File too large\)"):
            write(path, *[random_poses] * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert 1 < len(list(read(path)[1])) < 100
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]
