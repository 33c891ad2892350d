"""A long video through the whole pipeline: does memory grow, and is anything left open?"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.common import Results
from benchmarks.studies.soak.clip import CLIP, RECORDING, write_clip
from rcnet_rt.workflows.video import process_video

__all__ = ["measure"]

WARM_UP = 0.2  # share of the frames that fills caches, pools and the histograms' pages
READINGS = 200  # of memory


def measure(folder: Path, frames: int) -> Results:
    """Refine, draw, encode and write `frames` frames; read memory as they pass.

    People are tracked where the package for it is installed. A run of a few frames comes first, so
    that what a process loads only once is loaded.
    """
    track = importlib.util.find_spec("trackers") is not None
    write_clip(folder, frames)
    _run(folder, min(frames, 200), track)
    process = psutil.Process()
    before = _threads(process), _files(process)
    start = time.perf_counter()
    curve = _run(folder, frames, track)
    seconds = time.perf_counter() - start
    after = _threads(process), _files(process)
    warm = [row for row in curve if row["frames"] >= WARM_UP * frames]
    return {
        "frames": curve[-1]["frames"],
        "frames a second": round(frames / seconds, 1),
        "tracks": track,
        "warm after frames": warm[0]["frames"],
        "memory when warm, MB": warm[0]["memory, MB"],
        "memory at the end, MB": curve[-1]["memory, MB"],
        "peak memory, MB": max(row["memory, MB"] for row in curve),
        "MB per 100,000 frames": round(_slope(warm), 2),
        "threads left": max(after[0] - before[0], 0),
        "files left open": sorted(after[1] - before[1]),
        "curve": [[row["frames"], row["memory, MB"]] for row in curve],
    }


def _run(folder: Path, frames: int, track: bool) -> list[Results]:
    """Read the resident memory each time so many more frames are through, and at the end."""
    process, every = psutil.Process(), max(frames // READINGS, 1)
    curve: list[Results] = []
    video = process_video(
        folder / CLIP,
        model=f"replay:{folder / RECORDING}",
        out=folder / "drawn.mp4",
        json=folder / "refined.jsonl",
        telemetry=folder / "telemetry.json",
        max_frames=frames,
        track=track,
    )

    def read(done: int) -> None:
        megabytes = round(process.memory_info().rss / 1e6, 2)
        curve.append({"frames": done, "memory, MB": megabytes})

    for done, _ in enumerate(video, 1):
        if done % every == 0:
            read(done)
    read(video.summary.frames)
    return curve


def _threads(process: psutil.Process) -> int:
    """Count threads, native ones too; one that has ended takes a moment to be gone."""
    counts = []
    for _ in range(5):
        counts.append(process.num_threads())
        time.sleep(0.1)
    return min(counts)


def _files(process: psutil.Process) -> set[str]:
    return {file.path for file in process.open_files()}


def _slope(curve: list[Results]) -> float:
    """Median slope over all pairs of readings (Theil and Sen): robust against a single step."""
    frames, memory = (np.array([row[name] for row in curve]) for name in ("frames", "memory, MB"))
    first, second = np.triu_indices(len(curve), 1)
    apart = frames[second] > frames[first]
    rise, run = (values[second] - values[first] for values in (memory, frames))
    return float(np.median(rise[apart] / run[apart]) * 100_000) if apart.any() else float("nan")
