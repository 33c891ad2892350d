"""The end-to-end benchmark runs, and says what it must."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.speed import frame_costs, live_latency, pipeline
from rcnet_rt.errors import EstimatorError, SourceError

MODEL = Path("models") / "yolov8n-pose_int8_openvino_model"


@pytest.mark.slow
def test_all_processes_take_their_turns(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("ultralytics")
    options = {
        "--model": shared_data / MODEL,
        "--video": shared_data / "videos" / "people.mp4",
        "--before": pipeline.CHECKOUT,
        "--runs": 1,
        "--live-seconds": 1,
        "--cost-frames": 1,
        "--json": tmp_path / "a.json",
        "--page": tmp_path / "a.md",
    }
    arguments = [str(word) for option in options.items() for word in option]
    pipeline.main(arguments, standalone_mode=False)
    results = json.loads((tmp_path / "a.json").read_text())
    seconds = {one["process"]: one["wall_s"] for one in results["processes"]}
    for ratio in results["ratios"]:
        other, _, ours = ratio["of"].partition(" / ")
        assert ratio["wall"] == pytest.approx(seconds[other] / seconds[ours], rel=0.05)
    assert [one["checkout"] for one in results["live"]] == ["before", "now"]
    page = (tmp_path / "a.md").read_text()
    assert all(f"| {part} |" in page for part in frame_costs.PARTS)
    assert all(f"| {name} |" in page for name in seconds)


def test_the_age_of_live_results(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(live_latency.video, "open_live", None)  # put back afterwards
    video = shared_data / "videos" / "people.mp4"
    figures = live_latency.measure(video, str(shared_data / MODEL), 1.0)
    assert figures["age_p50_ms"] >= figures["estimate_p50_ms"] > 0
    assert 0 <= figures["dropped"] < 1


def test_without_the_model_or_the_video(shared_data: Path) -> None:
    with pytest.raises(EstimatorError, match="is not here"):
        pipeline.measure(model=Path("nowhere"))
    with pytest.raises(SourceError, match="is not here"):
        pipeline.measure(video=Path("nowhere"))
