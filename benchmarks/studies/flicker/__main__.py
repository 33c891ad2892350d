"""`python -m benchmarks.studies.flicker`: flicker on two videos, with and without tracks."""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np

from benchmarks.common import MODEL, Results, data_option, machine, show, write
from benchmarks.studies.common import out_option, write_page
from benchmarks.studies.flicker import report, shaken
from benchmarks.studies.flicker.figures import compare, is_causal, other_constants
from benchmarks.studies.flicker.recording import Recording, record
from rcnet_rt import estimators
from rcnet_rt.refiner import Refiner
from rcnet_rt.temporal.hysteresis import Hysteresis
from rcnet_rt.temporal.smoothing import ScoreSmoothing
from rcnet_rt.temporal.tracking import ByteTrack

__all__ = ["main", "measure"]

HERE = Path(__file__).resolve().parent
VIDEOS = ("sports.mp4", "people.mp4")
THRESHOLDS = (0.2, 0.4, 0.5)  # beside auto and p95


def measure(data: Path, model: str, weights: str) -> Results:
    """Return the figures of all videos, thresholds and ways."""
    refiner = Refiner(weights)
    estimator = estimators.load(model, floor=refiner.weights.floor)
    recordings = [record(data / "videos" / name, estimator, refiner) for name in VIDEOS]
    auto = refiner.weights.threshold("auto")
    thresholds = sorted({auto, refiner.weights.threshold("p95"), *THRESHOLDS})
    return {
        "weights": weights,
        "auto": round(auto, 3),
        "videos": [_about(recording) for recording in recordings],
        "flicker": [
            row for recording in recordings for t in thresholds for row in compare(recording, t)
        ],
        "other constants": [row for t in thresholds for row in other_constants(recordings[0], t)],
        "added latency": [
            {
                "video": recording.name,
                "frames": 0 if is_causal(recording, auto) else "a decision changed later",
                **_microseconds(recording, auto),
            }
            for recording in recordings
        ],
    }


@click.command()
@data_option
@out_option(HERE)
@click.option("--model", help=f"An estimator.  [default: DATA/{MODEL}]")
@click.option("--weights", default="yolo-pose", show_default=True, help="A name or a file.")
@click.option("--part", type=click.Choice(["videos", "shaken", "all"]), default="all")
def main(data: Path, out: Path, model: str | None, weights: str, part: str) -> None:
    """Measure flicker and AP; write results.json, shaken.json and RESULTS.md."""
    out.mkdir(parents=True, exist_ok=True)
    model = model or str(data / MODEL)
    parts = {
        "videos": ("results.json", lambda: measure(data, model, weights)),
        "shaken": ("shaken.json", lambda: shaken.measure(data, model)),
    }
    for name, (file, run) in parts.items():
        if part in (name, "all"):
            results = {"machine": machine(), **run()}
            show(name, results)
            write(results, out / file)
    write_page(out, report.blocks(out))


def _about(recording: Recording) -> Results:
    return {
        "video": recording.name,
        "frames": len(recording.times),
        "frames a second": round(1 / float(np.median(np.diff(recording.times))), 2),
        "poses a frame": round(float(np.mean([len(poses) for poses in recording.poses])), 2),
        "tracks": len(np.unique(np.concatenate(recording.ids))),
    }


def _microseconds(recording: Recording, threshold: float) -> Results:
    """Return the median time of each step a frame, the best of five runs over the video."""
    runs = [_run(recording, threshold) for _ in range(5)]
    names = ("tracks us", "smoothing us", "hysteresis us")
    return dict(zip(names, np.round(np.min(runs, axis=0), 1).tolist(), strict=True))


def _run(recording: Recording, threshold: float) -> list[float]:
    keep, smooth = Hysteresis(threshold), ScoreSmoothing()
    track = ByteTrack(least=keep.leave)
    spent = []
    for poses, seconds in zip(recording.poses, recording.times, strict=True):
        marks = [time.perf_counter()]
        poses = track(poses, seconds)
        marks.append(time.perf_counter())
        poses = smooth(poses, seconds)
        marks.append(time.perf_counter())
        keep(poses, seconds)
        marks.append(time.perf_counter())
        spent.append(np.diff(marks) * 1e6)
    return np.median(spent, axis=0).tolist()


if __name__ == "__main__":
    main()
