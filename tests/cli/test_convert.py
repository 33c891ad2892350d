from __future__ import annotations

import json
from pathlib import Path

import pytest

from rcnet_rt.cli import main


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as stopped:
        main(["convert", *map(str, arguments)])
    return stopped.value.code


def test_it_says_what_was_done_and_what_was_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    person = {"person_id": [3], "pose_keypoints_2d": [1.0, 2.0, 0.5] * 17}
    (tmp_path / "op").mkdir()
    (tmp_path / "op" / "a_0_keypoints.json").write_text(json.dumps({"people": [person]}))
    assert run(tmp_path / "op", tmp_path / "a.json") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("1 frames, 1 poses: openpose -> coco")
    assert printed.err == "Note: coco cannot hold: track\n"


def test_a_folder_needs_a_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = {"image_id": 1, "category_id": 1, "keypoints": [1.0] * 51, "score": 0.5}
    (tmp_path / "a.json").write_text(json.dumps([entry]))
    assert run(tmp_path / "a.json", tmp_path / "folder") == 1
    assert "--to parquet or --to openpose" in capsys.readouterr().err
    assert run(tmp_path / "a.json", tmp_path / "folder", "--to", "openpose") == 0
    assert [path.name for path in (tmp_path / "folder").iterdir()] == [
        "a_000000000001_keypoints.json"
    ]
    assert run(tmp_path / "a.json", tmp_path / "b", "--to", "text") == 2
