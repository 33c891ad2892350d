"""Video end to end: `python -m benchmarks.speed.pipeline [--runs N] [--json FILE]`.

`rcnet-rt run` against ultralytics' own `predict(save=True, stream=True)`: the same video, weights
and device, in turn, in this process, models loaded before. Both decode, estimate, draw and write a
video; ours refines as well and writes H.264, ultralytics writes what it has for this system (Motion
JPEG on Linux).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import Results, parser, report
from rcnet_rt.errors import EstimatorError
from rcnet_rt.workflows.summary import RunSummary
from rcnet_rt.workflows.video import RunOptions, execute

__all__ = ["main", "measure"]

DATA = Path("../shared/data")
VIDEO = DATA / "videos" / "sports.mp4"
MODEL = DATA / "models" / "yolov8n-pose_int8_openvino_model"
RUNS = 5
STAGES = ("decode", "estimate", "refine", "draw", "write")


def measure(video: Path = VIDEO, model: Path = MODEL, runs: int = RUNS) -> Results:
    """Run both in turn; the first turn of each warms up and does not count.

    Raises:
        RcnetError: the video or the model is not here.
    """
    with tempfile.TemporaryDirectory() as folder:
        theirs = _theirs(model, Path(folder))
        turns = [(theirs(video), _ours(video, model, Path(folder))) for _ in range(runs + 1)][1:]
    ultralytics = [seconds for seconds, _ in turns]
    tallies = [tally for _, (_, tally) in turns]
    ours = [seconds for _, (seconds, _) in turns]
    frames = tallies[0].frames
    share = [tally.telemetry.share("refine") for tally in tallies]
    return {
        "video": video.name,
        "model": model.name,
        "frames": frames,
        "runs": runs,
        "ultralytics_fps": round(frames / float(np.median(ultralytics)), 2),
        "rcnet_rt_fps": round(frames / float(np.median(ours)), 2),
        "ratio": round(float(np.median(np.divide(ultralytics, ours))), 3),
        "ratios": [round(a / b, 3) for a, b in zip(ultralytics, ours, strict=True)],
        "refine_share": round(float(np.median(share)), 5),
        "age_p50_ms": round(1000 * tallies[-1].telemetry.age.percentile(0.5), 1),
        "stages": [
            {"stage": name, **tallies[-1].telemetry.stages[name].figures()} for name in STAGES
        ],
    }


def _theirs(model: Path, folder: Path) -> Any:
    """Return what runs ultralytics over a video and tells the seconds."""
    if not model.exists():
        raise EstimatorError(f"{model} is not here; run this beside the shared data")
    from ultralytics import YOLO

    network = YOLO(model, task="pose")
    network.predict(np.zeros((64, 64, 3), np.uint8), verbose=False)  # loads

    def run(video: Path) -> float:
        start = time.perf_counter()
        options: dict[str, Any] = {"save": True, "stream": True, "verbose": False}
        for _ in network.predict(video, project=folder, name="run", exist_ok=True, **options):
            pass
        return time.perf_counter() - start

    return run


def _ours(video: Path, model: Path, folder: Path) -> tuple[float, RunSummary]:
    """Run the command's own function; seconds from the first frame to the closed file."""
    tally = RunSummary()
    execute(RunOptions(str(video), model=str(model), out=folder / "ours.mp4"), tally)
    return tally.telemetry.since_start(), tally


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and show."""
    options = parser("Video end to end against ultralytics.")
    options.add_argument("--video", type=Path, default=VIDEO)
    options.add_argument("--model", type=Path, default=MODEL)
    options.add_argument("--runs", type=int, default=RUNS)
    chosen = options.parse_args(arguments)
    report("video end to end", measure(chosen.video, chosen.model, chosen.runs), chosen.json)


if __name__ == "__main__":
    main()
