"""The study of many videos, at a smaller size."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from rcnet_rt.video.source import open_source

pytest.importorskip("pyarrow", reason="pip install 'rcnet-rt[parquet]'")

from benchmarks.studies.fleet.__main__ import faults, main
from benchmarks.studies.fleet.clips import cut_clips

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")


def test_clips_are_cut_from_the_real_videos(shared_data: Path, tmp_path: Path) -> None:
    clips = cut_clips(shared_data / "videos", tmp_path, 3, 4)
    assert len(clips) == 3
    for clip in clips:
        with open_source(str(clip)) as source:
            assert [frame.size for frame in source] == [(640, 360)] * 4


def test_what_is_not_as_claimed_is_a_fault() -> None:
    slow = {"times as fast": 1.5, "same rows as the serial run": False}
    assert len(faults(slow)) == 2


@pytest.mark.slow
def test_it_measures_both_and_compares_the_rows(shared_data: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(shared_data), "--out", str(tmp_path)]
    arguments += ["--clips", "2", "--frames", "5", "--runs", "1"]
    CliRunner().invoke(main, arguments)  # so few frames gain nothing
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["same rows as the serial run"] is True
    assert results["times as fast"] > 0
