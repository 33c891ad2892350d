"""The end-to-end benchmark runs, and says what it must."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.speed import pipeline
from rcnet_rt.errors import EstimatorError


def test_both_run_over_the_same_video(shared_data: Path, tmp_path: Path) -> None:
    model = shared_data / "models" / "yolov8n-pose_int8_openvino_model"
    video = shared_data / "videos" / "people.mp4"
    arguments = ["--model", model, "--video", video, "--runs", "1", "--json", tmp_path / "a.json"]
    pipeline.main([str(argument) for argument in arguments], standalone_mode=False)
    results = json.loads((tmp_path / "a.json").read_text())
    assert results["frames"] == 5
    assert results["ratio"] == pytest.approx(
        results["rcnet_rt_fps"] / results["ultralytics_fps"], rel=0.05
    )
    assert 0 < results["refine_share"] < 1
    assert [stage["count"] for stage in results["stages"]] == [5] * 5


def test_without_the_model() -> None:
    with pytest.raises(EstimatorError, match="is not here"):
        pipeline.measure(model=Path("nowhere"))
