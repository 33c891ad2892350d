from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.jsonl import Header
from rcnet_rt.datasets.parquet import files
from rcnet_rt.datasets.parquet.files import (
    ParquetWriter,
    parquet_files,
    read_parquet,
    read_provenance,
)
from rcnet_rt.datasets.scored_frames import Provenance, ScoredFrame
from rcnet_rt.errors import DatasetError, RcnetError
from rcnet_rt.poses.poses import Poses
from tests.helpers.fleet import assert_same_frame

pa = pytest.importorskip("pyarrow", reason="pip install 'rcnet-rt[parquet]'")

HEADER = Header("a.mp4", "model", "weights", "coco17", 0.3, "yolo-pose", (640, 480))
PROVENANCE = Provenance(HEADER, "0" * 64, "in [0, 1]")


def covariances(random: np.random.Generator, keypoints: np.ndarray) -> np.ndarray:
    """Symmetric matrices, NaN for joints that were not found."""
    roots = random.normal(0, 3, (*keypoints.shape, 2)).astype(np.float32)
    matrices = roots + roots.transpose(0, 1, 3, 2)
    return np.where(np.isnan(keypoints)[..., None], np.float32(np.nan), matrices)


def frames_of(count: int, seed: int = 0) -> list[ScoredFrame]:
    """Frames of 0 to 4 poses; what may be absent is in some frames, and in some poses."""
    random = np.random.default_rng(seed)
    frames = []
    for index in range(count):
        n = int(random.integers(0, 5))
        keypoints = random.normal(300, 99, (n, 17, 2)).astype(np.float32)
        keypoints[random.random((n, 17)) < 0.1] = np.nan
        poses = Poses(keypoints, random.random(n), raw_scores=random.random(n))
        some: dict[str, object] = {
            "keypoint_scores": random.random((n, 17)),
            "boxes": random.random((n, 4)),
            "track_ids": np.arange(n) - 1,
            "consensus": np.where(random.random((n, 1)) < 0.5, np.nan, random.random((n, 9))),
            "agreement": np.where(random.random(n) < 0.5, np.nan, random.random(n)),
            "embeddings": random.random((n, 6)),
            "image_size": (640, 480),
            "joint_confidence": random.random((n, 17)),
            "joint_covariance": covariances(random, keypoints),
        }
        given = {name: value for name, value in some.items() if random.random() < 0.6}
        for name in ("consensus", "agreement"):
            if name in given and np.isnan(np.asarray(given[name])).all():
                del given[name]  # known of no pose is not known
        poses = replace(poses, **given)  # type: ignore[arg-type]
        time = None if index % 7 == 0 else index / 29.97
        frames.append(ScoredFrame(f"{index // 40}.mp4", index, time, poses, poses.scores > 0.5))
    return frames


def write(folder: Path, frames: list[ScoredFrame]) -> tuple[Path, Path]:
    for table in (files.POSES, files.FRAMES):
        (folder / table).mkdir(parents=True, exist_ok=True)
    both = folder / files.POSES / "a.parquet", folder / files.FRAMES / "a.parquet"
    with ParquetWriter(*both, PROVENANCE, note="more") as writer:
        for frame in frames:
            writer.write(frame)
    return both


@pytest.mark.parametrize("block", [1, 7, 50, 10_000])
def test_what_is_written_is_read_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(files, "BLOCK", block)
    frames = frames_of(120)
    poses, beside = write(tmp_path, frames)
    for frame, read in zip(frames, read_parquet(poses, beside), strict=True):
        assert_same_frame(frame, read)
    seen = [frame for frame in frames if len(frame.poses)]
    for frame, read in zip(seen, read_parquet(poses), strict=True):
        assert_same_frame(frame, read)
    assert read_provenance(poses) == PROVENANCE


def test_a_joint_that_was_not_found_is_null_and_lists_have_a_fixed_size(tmp_path: Path) -> None:
    from pyarrow import parquet

    keypoints = np.zeros((1, 17, 2), np.float32)
    keypoints[0, 4] = np.nan
    poses = Poses(keypoints, np.array([0.7]))
    file, _ = write(tmp_path, [ScoredFrame("a.mp4", 3, 0.1, poses, np.array([True]))])
    table = parquet.read_table(file)
    assert table.schema.field("keypoint_x").type == pa.list_(pa.float32(), 17)
    (row,) = table.to_pylist()
    assert row["keypoint_x"][3:6] == [0.0, None, 0.0]
    for name in ("keypoint_score", "joint_confidence", "covariance_xx"):
        assert row[name] == [None] * 17
    assert (row["frame"], row["kept"], row["track"], row["box"]) == (3, True, None, [None] * 4)


def test_plain_lists_of_another_tool_are_read(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    frames = [frame for frame in frames_of(30) if len(frame.poses)]
    file, _ = write(tmp_path, frames)
    table = polars.read_parquet(file).with_columns(
        polars.col("keypoint_x", "keypoint_y", "box").arr.to_list()
    )
    from pyarrow import parquet

    again = tmp_path / "again.parquet"
    metadata = parquet.read_schema(file).metadata
    parquet.write_table(table.to_arrow().replace_schema_metadata(metadata), again)
    for frame, read in zip(frames, read_parquet(again), strict=True):
        assert_same_frame(frame, read)


def test_a_folder_pairs_poses_and_frames(tmp_path: Path) -> None:
    both = write(tmp_path, frames_of(3))
    assert parquet_files(tmp_path) == [both]
    assert parquet_files(both[0]) == [(both[0], None)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no Parquet"):
        parquet_files(tmp_path / "empty")


def test_damage_is_told(tmp_path: Path) -> None:
    from pyarrow import parquet

    poses, beside = write(tmp_path, frames_of(20))
    fewer, _ = write(tmp_path / "fewer", frames_of(10))
    with pytest.raises(DatasetError, match="fewer poses than"):
        list(read_parquet(fewer, beside))
    with pytest.raises(DatasetError, match="more poses than"):
        list(read_parquet(poses, tmp_path / "fewer" / files.FRAMES / "a.parquet"))
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(poses.read_bytes()[:-9])
    with pytest.raises(DatasetError, match="cut off or no Parquet"):
        list(read_parquet(cut))
    foreign = tmp_path / "foreign.parquet"
    parquet.write_table(pa.table({"a": [1]}), foreign)
    with pytest.raises(DatasetError, match="no metadata of rcnet-rt"):
        read_provenance(foreign)
    stripped = tmp_path / "stripped.parquet"
    parquet.write_table(parquet.read_table(poses).drop_columns(["score"]), stripped)
    with pytest.raises(DatasetError, match="not Parquet of rcnet-rt"):
        list(read_parquet(stripped))


def test_without_pyarrow_a_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(RcnetError, match=r"rcnet-rt\[parquet\]"):
        read_provenance(Path("a.parquet"))
