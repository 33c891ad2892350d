"""Two workers against one of one thread: `python -m benchmarks.studies.fleet`.

Writes results.json. Exit code 1 if the rows differ, or the gain is below what is claimed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.common import MODEL, Results, data_option, machine, show, write
from benchmarks.studies.common import out_option
from benchmarks.studies.fleet.clips import cut_clips
from rcnet_rt.datasets.parquet.files import parquet_files, read_parquet
from rcnet_rt.datasets.scored_frames import ScoredFrame
from rcnet_rt.workflows.video import process_video

__all__ = ["faults", "main", "measure"]

HERE = Path(__file__).resolve().parent
CLAIMED = 1.8  # times one worker


@click.command()
@data_option
@out_option(HERE)
@click.option("--clips", "clip_count", default=12, show_default=True, help="Number of clips.")
@click.option("--frames", default=200, show_default=True, help="Of each clip.")
@click.option("--runs", default=3, show_default=True, help="Of each number of workers, in turn.")
@click.option("--model", help="The estimator.  [default: the int8 YOLO-Pose of the data]")
def main(data: Path, out: Path, clip_count: int, frames: int, runs: int, model: str | None) -> None:
    """Cut clips, predict them with one worker on one core and with two on two; compare."""
    model = model or str(data / MODEL)
    with tempfile.TemporaryDirectory() as folder:
        clips = cut_clips(data / "videos", _new(Path(folder) / "clips"), clip_count, frames)
        results = {
            "machine": machine(),
            "date": time.strftime("%Y-%m-%d"),
            "clips": clip_count,
            "frames": clip_count * frames,
            "model": Path(model).name,
            **measure(clips, model, Path(folder), runs),
            "one frame": _frame_costs(clips, model),
        }
    show("Many videos", results)
    out.mkdir(parents=True, exist_ok=True)
    write(results, out / "results.json")
    if found := faults(results):
        raise click.ClickException("; ".join(found))


def measure(clips: list[Path], model: str, folder: Path, runs: int) -> Results:
    """Return the seconds of both, alternating, and whether the rows are those of `run`."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    on_cores: dict[int, list[float]] = {1: [], 2: []}
    _predict(clips[:1], model, folder / "warm", 1)  # what is compiled once, and the disk's cache
    for run in range(runs):
        for workers, times in seconds.items():
            began, used = time.monotonic(), _seconds_on_cores()
            _predict(clips, model, folder / f"out{workers}_{run}", workers)
            times.append(round(time.monotonic() - began, 2))
            on_cores[workers].append(round(_seconds_on_cores() - used, 2))
    ratios = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    serial = {(str(c), f.index): f for c in clips for f in _serial(c, model)}
    outs = [folder / f"out{workers}_{run}" for workers in seconds for run in range(runs)]
    return {
        "seconds of one worker of one thread on one core": seconds[1],
        "seconds of two workers on two cores": seconds[2],
        "the same on the cores, other work left out": on_cores,
        "times as fast": round(statistics.median(ratios), 2),
        "MB of Parquet": round(sum(f.stat().st_size for f in outs[0].rglob("*.parquet")) / 1e6, 2),
        "same rows as the serial run": all(_is_same(_rows(out), serial) for out in outs),
    }


def faults(results: Results) -> list[str]:
    """Return what is not as claimed, in words.

    >>> faults({"times as fast": 1.9, "same rows as the serial run": True})
    []
    """
    found = []
    if not results["same rows as the serial run"]:
        found.append("the rows differ from those of the serial run")
    if results["times as fast"] < CLAIMED:
        found.append(f"two workers are {results['times as fast']} times as fast, not {CLAIMED}")
    return found


def _predict(clips: list[Path], model: str, out: Path, workers: int) -> None:
    """Run the command, on as many cores as it has workers."""
    command = [sys.executable, "-m", "rcnet_rt", "predict", *map(str, clips), "--model", model]
    command += ["--out", str(out), "--workers", str(workers)]
    cores = sorted(os.sched_getaffinity(0))[:workers]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # the child has it from here
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    finally:
        os.sched_setaffinity(0, before)


def _seconds_on_cores() -> float:
    """Return what the child processes that ended have used, in seconds of one core."""
    times = os.times()
    return times.children_user + times.children_system


def _serial(clip: Path, model: str) -> list[ScoredFrame]:
    return [
        ScoredFrame(str(clip), r.frame.index, r.frame.time_seconds, r.poses, r.kept)
        for r in process_video(clip, model=model)
    ]


def _rows(out: Path) -> dict[tuple[str, int], ScoredFrame]:
    files = parquet_files(out)
    frames = (frame for poses, beside in files for frame in read_parquet(poses, beside))
    return {(frame.source, frame.index): frame for frame in frames}


def _is_same(
    rows: dict[tuple[str, int], ScoredFrame], others: dict[tuple[str, int], ScoredFrame]
) -> bool:
    return rows.keys() == others.keys() and all(
        rows[key].time == others[key].time
        and np.array_equal(rows[key].poses.scores, others[key].poses.scores)
        and np.array_equal(rows[key].poses.keypoints, others[key].poses.keypoints, equal_nan=True)
        for key in rows
    )


def _frame_costs(clips: list[Path], model: str) -> dict[str, Any]:
    """Return the milliseconds of a frame in each stage, and its poses."""
    with process_video(clips[0], model=model) as video:
        summary = video.finish()
    stages = summary.telemetry.stages
    return {
        **{f"{name}, ms": round(1000 * stages[name].percentile(0.5), 2) for name in stages},
        "poses": round(summary.poses / summary.frames, 2),
    }


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
