"""Results of any size: as the whole file at once, from pipes too, and in flat memory."""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rcnet_rt.datasets import json_entries, results_stream
from rcnet_rt.datasets.results import poses_by_image, read_results
from rcnet_rt.datasets.results_stream import open_results
from rcnet_rt.errors import DatasetError
from rcnet_rt.files import reading
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from tests.helpers.synthetic_coco import make_content, make_results


def halved(images: list[Poses]) -> list[Poses]:
    return [poses.with_scores(poses.scores / 2) for poses in images]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_stream, "BLOCK", 7)
    monkeypatch.setattr(json_entries, "AT_ONCE", 5)
    monkeypatch.setattr(json_entries.read_entries, "__defaults__", (1500,))


def made(shuffle: bool) -> list[dict[str, Any]]:
    entries = make_results(make_content())
    for number, entry in enumerate(entries):
        if number % 3:
            entry["consensus"] = [0.5] * 3 if number % 2 else None
        if number % 5 == 0:
            entry.pop("bbox", None)
    if shuffle:
        order = np.random.default_rng(0).permutation(len(entries))
        return [entries[place] for place in order]
    return entries


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("shuffle", [False, True])
def test_images_are_those_of_the_whole_file(tmp_path: Path, shuffle: bool) -> None:
    path = tmp_path / "results.json"
    entries = [{k: v for k, v in entry.items() if k != "consensus"} for entry in made(shuffle)]
    path.write_text(json.dumps(entries))
    seen: list[Poses] = []

    def look(images: list[Poses]) -> list[Poses]:
        seen.extend(images)
        return halved(images)

    with open_results(path, lambda _: COCO17) as results:
        results.write(tmp_path / "out.json", look)
        counts = results.pose_count, results.image_count
    expected = poses_by_image(entries, COCO17)
    assert counts == (len(entries), len(expected))
    assert len(seen) == len(expected)
    for got, image in zip(seen, expected.values(), strict=True):
        for name in ("keypoints", "scores", "keypoint_scores", "boxes"):
            np.testing.assert_array_equal(getattr(got, name), getattr(image.poses, name))
    halves = [{**entry, "score": float(np.float32(entry["score"]) / 2)} for entry in entries]
    assert (tmp_path / "out.json").read_text() == json.dumps(halves)


@pytest.mark.parametrize("name", ["out.json", "out.json.gz"])
def test_packed_files(tmp_path: Path, name: str) -> None:
    entries = make_results(make_content())
    path = tmp_path / "results.json.gz"
    path.write_bytes(gzip.compress(json.dumps(entries).encode()))
    for _ in range(2):
        with open_results(path, lambda _: COCO17) as results:
            results.write(tmp_path / name, halved)
        content = (tmp_path / name).read_bytes()
    assert content.startswith(b"\x1f\x8b") == name.endswith(".gz")
    assert [entry["score"] for entry in read_results(tmp_path / name)] == [
        float(np.float32(entry["score"]) / 2) for entry in entries
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_unicode(tmp_path: Path, encoding: str) -> None:
    entries = [{**entry, "note": "ü€𝄞"} for entry in make_results(make_content())]
    path = tmp_path / "results.json"
    path.write_bytes(json.dumps(entries, ensure_ascii=False).encode(encoding))
    with open_results(path, lambda _: COCO17) as results:
        results.write(path, halved)
    assert {entry["note"] for entry in json.loads(path.read_text("utf-8"))} == {"ü€𝄞"}


def through_pipe(path: Path, content: bytes) -> threading.Thread:
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    return writer


@pytest.mark.parametrize("packed", [False, True])
def test_a_pipe_is_read_once(tmp_path: Path, packed: bool) -> None:
    entries = make_results(make_content())
    content = json.dumps(entries).encode()
    writer = through_pipe(tmp_path / "pipe", gzip.compress(content) if packed else content)
    with open_results(tmp_path / "pipe", lambda _: COCO17) as results:
        results.write(tmp_path / "out.json", halved)
    writer.join(10)
    assert len(read_results(tmp_path / "out.json")) == len(entries)
    (tmp_path / "pipe").unlink()
    writer = through_pipe(tmp_path / "pipe", content)
    assert read_results(tmp_path / "pipe") == entries
    writer.join(10)


def test_gzip_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ALWAYS_ALLOWED", 1 << 20)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b"[" + b" " * (8 << 20) + b"]"))
    for read in (read_results, lambda path: open_results(path, lambda _: COCO17).__enter__()):
        with pytest.raises(DatasetError, match="unpacks to more than 200 times its size"):
            read(path)


def test_faults_name_the_entry_of_the_file(
    tmp_path: Path, small_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = make_results(make_content())
    faults = [
        ({"score": float("nan")}, "has a score that is not a finite number"),
        ({"keypoints": [1e17] * 51}, "has a keypoint that is not a finite number"),
        ({"bbox": [0, 0, float("inf"), 1]}, "has a box that is not a finite number"),
        ({"keypoints": [1.0] * 48}, r"48 keypoint values \(16 joints\)"),
        ({"score": "high"}, "has score 'high'"),
        ({"image_id": [1]}, "has image_id"),
    ]
    for fault, sentence in faults:
        path = tmp_path / "faulty.json"
        path.write_text(json.dumps([*entries[:20], {**entries[20], **fault}, *entries[21:]]))
        with (
            pytest.raises(DatasetError, match=f"entry 20.*{sentence}"),
            open_results(path, lambda _: COCO17),
        ):
            pass
    path.write_text(json.dumps(entries)[:-30])
    with (
        pytest.raises(DatasetError, match=r"faulty.json is cut off or not JSON \(the list does no"),
        open_results(path, lambda _: COCO17),
    ):
        pass


@pytest.mark.parametrize("name", ["absent.json", "n" * 300])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read_results(tmp_path / name)
    with (
        pytest.raises(DatasetError, match="cannot be read"),
        open_results(tmp_path / name, lambda _: COCO17),
    ):
        pass
