"""The benchmark of viewers runs every case, with viewers in processes of their own."""

import json

import pytest

from benchmarks.speed import viewers
from tests.helpers.clips import write_clip


@pytest.mark.slow
def test_every_case_is_measured(tmp_path, random_poses, capsys):
    write_clip(tmp_path, random_poses, 40)
    path = tmp_path / "figures.json"
    arguments = [str(tmp_path / "clip.mp4"), "--model", f"replay:{tmp_path / 'poses.jsonl'}"]
    viewers.main([*arguments, "--repeats", "1", "--json", str(path)], standalone_mode=False)
    rows = json.loads(path.read_text("utf-8"))["all"]
    assert [row["case"] for row in rows] == list(viewers.CASES)
    assert all(row["fps"] > 0 and row["cpu_ms"] > 0 for row in rows)
    assert rows[0]["ratio"] == 1
    assert "5, of which 1 never reads" in capsys.readouterr().out
