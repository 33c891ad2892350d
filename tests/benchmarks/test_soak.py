"""The soak at a smaller size: what it looks for must not be there, and it must see what is."""

from __future__ import annotations

import gc
import json
import os
from contextlib import suppress
from pathlib import Path

import click
import pytest

pytest.importorskip("psutil", reason="pip install psutil")

from benchmarks.studies.soak import endless, interrupts, killed
from benchmarks.studies.soak.__main__ import faults, main
from benchmarks.studies.soak.clip import CLIP, RECORDING, write_clip
from benchmarks.studies.soak.report import blocks, memory_curve
from rcnet_rt.datasets import jsonl

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals differ")


def test_nothing_is_left_of_a_video_without_the_garbage_collector(tmp_path: Path) -> None:
    gc.disable()  # threads of a decoder must not wait for it
    try:
        figures = endless.measure(tmp_path, 60)
    finally:
        gc.enable()
    assert figures["frames"] == 60
    assert figures["threads left"] == 0
    assert figures["files left open"] == []
    assert figures["curve"][-1] == [60, figures["memory at the end, MB"]]


def test_the_recording_belongs_to_the_clip(tmp_path: Path) -> None:
    write_clip(tmp_path, 50)
    header, frames = jsonl.read(tmp_path / RECORDING)
    counts = [len(frame.poses) for frame in frames]
    assert header.image_size == (96, 64)
    assert len(counts) == 50
    assert len(set(counts)) > 2
    assert (tmp_path / CLIP).stat().st_size > 1000


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("drawn.mp4", b"no video", "drawn.mp4: InvalidDataError"),
        ("refined.jsonl", b'{"frame": 0, "po', "refined.jsonl: DatasetError"),
        ("refined.jsonl", b'{"frame": 0, "poses": []}\n', "not the same frames"),
        ("telemetry.json", b"{", "telemetry.json: JSONDecodeError"),
        (".drawn.partial.mp4", b"", "left behind: .drawn.partial.mp4"),
    ],
)
def test_what_an_interrupt_damaged_is_seen(
    tmp_path: Path, name: str, content: bytes, fault: str
) -> None:
    assert interrupts.check(tmp_path)["faults"] == []
    (tmp_path / name).write_bytes(content)
    assert any(found.startswith(fault) for found in interrupts.check(tmp_path)["faults"])


LONG = {"MB per 100,000 frames": 0.1, "threads left": 0, "files left open": []}


@pytest.mark.parametrize(
    ("results", "count"),
    [
        ({"endless": LONG, "interrupts": {"faults": []}}, 0),
        ({"endless": {**LONG, "MB per 100,000 frames": 11.0}}, 1),
        ({"endless": {**LONG, "threads left": 2, "files left open": ["a", "b"]}}, 3),
        ({"interrupts": {"faults": ["1.2 s: cut off"]}, "killed": {"faults": ["run 3"]}}, 2),
    ],
)
def test_every_fault_counts(results: dict, count: int) -> None:
    assert len(faults(results)) == count


def test_the_page_and_the_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["endless", "--frames", "40", "--data", str(tmp_path), "--out", str(tmp_path)]
    with suppress(click.ClickException):  # 40 frames are too few for a slope
        main(arguments, standalone_mode=False)
    results = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert "A long video" in capsys.readouterr().out
    assert (tmp_path / "RESULTS.md").read_text("utf-8").split() == " ".join(blocks(results)).split()
    assert "| frames | 40 |" in (tmp_path / "RESULTS.md").read_text("utf-8")
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")
    curve = results["endless"]["curve"]
    assert memory_curve(curve, 1) != memory_curve([[f, 2 * mb + f] for f, mb in curve], 1)


@pytest.mark.slow
def test_memory_stays(tmp_path: Path) -> None:
    figures = endless.measure(tmp_path, 10_000)
    assert figures["peak memory, MB"] - figures["memory when warm, MB"] < 20


@pytest.mark.slow
def test_interrupts_leave_what_can_be_read(tmp_path: Path) -> None:
    figures = interrupts.measure(tmp_path, 12, seed=1)
    assert figures["faults"] == []
    assert figures["runs stopped in mid-stream"] > 0


@pytest.mark.slow
def test_killed_training_ends_with_the_same_weights(tmp_path: Path, shared_data: Path) -> None:
    figures = killed.measure(tmp_path, shared_data, 3, seed=1)
    assert figures["faults"] == []
    assert figures["kills"] > 0
