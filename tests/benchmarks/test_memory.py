"""The memory benchmark runs the whole pipeline."""

import json

import pytest

from benchmarks.speed import memory

pytest.importorskip("resource", reason="this system does not tell a process its peak memory")


def test_the_peak_is_read_ten_times(tmp_path, capsys):
    path = tmp_path / "figures.json"
    memory.main(["--frames", "20", "--json", str(path)], standalone_mode=False)
    figures = json.loads(path.read_text("utf-8"))
    assert [row["frames"] for row in figures["all"]] == list(range(2, 21, 2))
    assert figures["growth_mb"] == figures["all"][-1]["peak_mb"] - figures["all"][0]["peak_mb"]
    assert "peak_mb" in capsys.readouterr().out


def test_the_peak_is_in_megabytes():
    """Torch alone takes a hundred, and no machine that tests has a hundred thousand."""
    assert 100 < memory.peak_mb() < 100_000
