"""`python -m benchmarks.studies.flicker [--json FILE]`: flicker on the shared videos."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.common import Results, parser, report
from benchmarks.studies.flicker.figures import compare, is_causal, other_constants
from benchmarks.studies.flicker.recording import Recording, record
from rcnet_rt import estimators
from rcnet_rt.refiner import Refiner
from rcnet_rt.temporal.hysteresis import Hysteresis
from rcnet_rt.temporal.smoothing import ScoreSmoothing
from rcnet_rt.temporal.tracking import ByteTrack

__all__ = ["main", "measure"]

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
MODEL = "models/yolov8n-pose_int8_openvino_model"
VIDEOS = ("sports.mp4", "people.mp4")
AROUND = (0.2, 0.4, 0.5)  # thresholds beside auto and p95


def measure(data: Path, model: str, weights: str) -> Results:
    """Return the figures of all videos, thresholds and ways."""
    refiner = Refiner(weights)
    estimator = estimators.load(model, floor=refiner.weights.floor)
    recordings = [record(data / "videos" / name, estimator, refiner) for name in VIDEOS]
    auto = refiner.weights.threshold("auto")
    thresholds = sorted({auto, refiner.weights.threshold("p95"), *AROUND})
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
                "frames": 0 if is_causal(recording, auto) else "an answer changed later",
                **_microseconds(recording, auto),
            }
            for recording in recordings
        ],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, show, and write."""
    options = parser("Flicker with and without tracks.")
    options.add_argument("--data", type=Path, default=Path(os.environ.get("RCNET_RT_DATA", DATA)))
    options.add_argument("--model", help=f"an estimator; default DATA/{MODEL}")
    options.add_argument("--weights", default="yolo-pose")
    chosen = options.parse_args(arguments)
    model = chosen.model or str(chosen.data / MODEL)
    report("flicker", measure(chosen.data, model, chosen.weights), chosen.json)


def _about(recording: Recording) -> Results:
    return {
        "video": recording.name,
        "frames": len(recording.times),
        "frames a second": round(1 / float(np.median(np.diff(recording.times))), 2),
        "poses a frame": round(float(np.mean([len(poses) for poses in recording.poses])), 2),
        "tracks": len({who for names in recording.names for who in names.tolist()}),
    }


def _microseconds(recording: Recording, threshold: float) -> Results:
    """Return the median time of each step a frame, the best of five runs over the video."""
    runs = [_run(recording, threshold) for _ in range(5)]
    names = ("tracks us", "over time us", "hysteresis us")
    return dict(zip(names, np.round(np.min(runs, axis=0), 1).tolist(), strict=True))


def _run(recording: Recording, threshold: float) -> list[float]:
    keep, score = Hysteresis(threshold), ScoreSmoothing()
    follow = ByteTrack(least=keep.leave)
    spent = []
    for poses, seconds in zip(recording.poses, recording.times, strict=True):
        marks = [time.perf_counter()]
        poses = follow(poses, seconds)
        marks.append(time.perf_counter())
        poses = score(poses, seconds)
        marks.append(time.perf_counter())
        keep(poses, seconds)
        marks.append(time.perf_counter())
        spent.append(np.diff(marks) * 1e6)
    return np.median(spent, axis=0).tolist()


if __name__ == "__main__":
    main()
