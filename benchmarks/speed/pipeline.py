"""Video end to end: `python -m benchmarks.speed.pipeline [--runs N] [--json FILE]`.

`rcnet-rt run` against ultralytics' own `predict(save=True, stream=True)`: the same video, weights
and device, in turn, in this process, models loaded before. Both decode, estimate, draw and write a
video; ours refines as well and writes H.264, ultralytics writes what it has for this system (Motion
JPEG on Linux).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.common import MODEL, Results, data_folder, json_option, report
from rcnet_rt.errors import EstimatorError
from rcnet_rt.workflows.summary import VideoSummary
from rcnet_rt.workflows.video import process_video

__all__ = ["main", "measure"]

VIDEO = Path("videos/sports.mp4")  # in the data folder
RUNS = 5
STAGES = ("decode", "estimate", "refine", "draw", "write")


def measure(video: Path | None = None, model: Path | None = None, runs: int = RUNS) -> Results:
    """Run both in turn; the first turn of each warms up and does not count.

    Raises:
        RcnetError: the video or the model is not here.
    """
    video = video or data_folder() / VIDEO
    model = model or data_folder() / MODEL
    with tempfile.TemporaryDirectory() as folder:
        theirs = _theirs(model, Path(folder))
        turns = [(theirs(video), _ours(video, model, Path(folder))) for _ in range(runs + 1)][1:]
    ultralytics = [seconds for seconds, _ in turns]
    summaries = [summary for _, (_, summary) in turns]
    ours = [seconds for _, (seconds, _) in turns]
    frames = summaries[0].frames
    share = [summary.telemetry.share("refine") for summary in summaries]
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
        "age_p50_ms": round(1000 * summaries[-1].telemetry.age.percentile(0.5), 1),
        "stages": [
            {"stage": name, **summaries[-1].telemetry.stages[name].figures()} for name in STAGES
        ],
    }


def _theirs(model: Path, folder: Path) -> Any:
    """Return a function that runs ultralytics over a video and returns the seconds."""
    if not model.exists():
        raise EstimatorError(f"{model} is not here; give a model with --model")
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


def _ours(video: Path, model: Path, folder: Path) -> tuple[float, VideoSummary]:
    """Run the command's own function; seconds from the first frame to the closed file."""
    summary = process_video(video, model=str(model), out=folder / "ours.mp4").finish()
    return summary.telemetry.since_start(), summary


@click.command()
@click.option("--video", type=click.Path(path_type=Path), help=f"[default: DATA/{VIDEO}]")
@click.option("--model", type=click.Path(path_type=Path), help=f"[default: DATA/{MODEL}]")
@click.option("--runs", default=RUNS, show_default=True, help="Turns that count.")
@json_option
def main(video: Path | None, model: Path | None, runs: int, json_file: Path | None) -> None:
    """Time a video end to end against ultralytics."""
    report("video end to end", measure(video, model, runs), json_file)


if __name__ == "__main__":
    main()
