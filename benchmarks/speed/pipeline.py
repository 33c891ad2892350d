"""Video end to end: `python -m benchmarks.speed.pipeline [--runs N] [--json FILE] [--page FILE]`.

Whole processes against whole processes, from the prompt back to the prompt: `rcnet-rt VIDEO` and
ultralytics' own `predict`, the same video and weights, in turn, each in a new process. Then the age
of the results of a live source, and where the core-milliseconds of a frame go. With `--before
CHECKOUT` an older checkout of this package takes part, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.common import CHECKOUT, MODEL, Results, data_folder, json_option, machine, report
from benchmarks.speed import live_latency, pipeline_page
from benchmarks.speed.frame_costs import costs
from rcnet_rt.datasets.files import write_bytes
from rcnet_rt.errors import EstimatorError, SourceError

__all__ = ["main", "measure"]

VIDEO = Path("videos/sports.mp4")  # in the data folder
RUNS = 3
LIVE_SECONDS, COST_FRAMES = 20.0, 100
THEIRS = """
import sys
from ultralytics import YOLO
video, model, save, folder = sys.argv[1:]
options = dict(stream=True, verbose=False, save=save == "save", project=folder, exist_ok=True)
for _ in YOLO(model, task="pose").predict(video, **options):
    pass
"""
OFFLINE = {"YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false", "YOLO_AUTOINSTALL": "false"}


@dataclass(frozen=True)
class Contestant:
    """A process that is timed.

    Attributes:
        name: in the results.
        arguments: after the interpreter.
        checkout: that the package is imported from.
        telemetry: what it writes about itself, if anything.
    """

    name: str
    arguments: tuple[str, ...]
    checkout: Path = CHECKOUT
    telemetry: Path | None = None


@dataclass(frozen=True)
class Turn:
    """One run of a process: seconds of wall clock and of all CPUs, and the shares of refinement.

    Of the time from frame to frame, in which its thread also waits for a CPU; and of the CPU time.
    """

    wall: float
    cpu: float
    refine_share: float | None
    refine_cpu_share: float | None


def measure(
    video: Path | None = None,
    model: Path | None = None,
    runs: int = RUNS,
    before: Path | None = None,
    live_seconds: float = LIVE_SECONDS,
    cost_frames: int = COST_FRAMES,
) -> Results:
    """Run all in turn; the first turn of each warms up and does not count.

    Raises:
        RcnetError: the video or the model is not here, or a process fails.
    """
    video, model = video or data_folder() / VIDEO, model or data_folder() / MODEL
    if not model.exists():
        raise EstimatorError(f"{model} is not here; give a model with --model")
    if not video.exists():
        raise SourceError(f"{video} is not here; give a video with --video")
    with tempfile.TemporaryDirectory() as name:
        contestants = _contestants(video.resolve(), model.resolve(), Path(name), before)
        turns = [{one.name: _timed(one, name) for one in contestants} for _ in range(runs + 1)][1:]
    return {
        "video": video.name,
        "model": model.name,
        "runs": runs,
        "processes": [_summed(one.name, turns) for one in contestants],
        "ratios": _ratios(turns),
        "live": [
            {"checkout": label, **_live(video, model, live_seconds, checkout)}
            for label, checkout in (("before", before), ("now", CHECKOUT))
            if checkout is not None
        ],
        "core_ms": costs(video, model, cost_frames),
    }


def _contestants(video: Path, model: Path, folder: Path, before: Path | None) -> list[Contestant]:
    theirs = ("-c", THEIRS, str(video), str(model))
    run = ("-m", "rcnet_rt", str(video), "--model", str(model), "--telemetry")
    quiet = ("--no-video", "--json", str(folder / "a.jsonl"))
    drawn = ("--out", str(folder / "a.mp4"))
    telemetry = folder / "telemetry.json"

    def ours(name: str, options: tuple[str, ...], checkout: Path = CHECKOUT) -> Contestant:
        return Contestant(name, (*run, str(telemetry), *options), checkout, telemetry)

    all_ours = [
        ours("rcnet-rt, no video", quiet),
        ours("rcnet-rt, no video, onnx", (*quiet, "--backend", "onnx")),
        ours("rcnet-rt, no video, one worker", (*quiet, "--workers", "1")),
        ours("rcnet-rt, video", drawn),
    ]
    if before is not None:
        all_ours += [
            ours("before, no video", quiet, before.resolve()),
            ours("before, video", drawn, before.resolve()),
        ]
    return [
        Contestant("ultralytics, predict", (*theirs, "no", str(folder))),
        Contestant("ultralytics, predict and save", (*theirs, "save", str(folder))),
        *all_ours,
    ]


def _timed(one: Contestant, folder: str) -> Turn:
    """Run a process to its end.

    Raises:
        EstimatorError: it fails.
    """
    start = time.perf_counter()
    process = subprocess.Popen(  # our own interpreter and programs
        [sys.executable, *one.arguments],
        cwd=folder,
        env=_environment(one.checkout),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    words = process.stderr.read().decode(errors="replace")
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode != 0:
        raise EstimatorError(f"{one.name} ended with exit code {process.returncode}: {words}")
    own = {} if one.telemetry is None else json.loads(one.telemetry.read_text())
    shares = own.get("refine_share"), own.get("refine_cpu_share")  # older checkouts lack the last
    return Turn(wall, used.ru_utime + used.ru_stime, *shares)


def _environment(checkout: Path) -> dict[str, str]:
    return {**os.environ, **OFFLINE, "PYTHONPATH": str(checkout)}


def _summed(name: str, turns: list[dict[str, Turn]]) -> dict[str, Any]:
    """Return the medians of a process."""
    own = [turn[name] for turn in turns]
    return {
        "process": name,
        "wall_s": round(float(np.median([turn.wall for turn in own])), 2),
        "cpu_s": round(float(np.median([turn.cpu for turn in own])), 2),
        "refine_share": _median([turn.refine_share for turn in own]),
        "refine_cpu_share": _median([turn.refine_cpu_share for turn in own]),
    }


def _median(shares: Sequence[float | None]) -> float | None:
    """Return the median of the shares that were measured; None if none was."""
    known = [share for share in shares if share is not None]
    return round(float(np.median(known)), 5) if known else None


def _ratios(turns: list[dict[str, Turn]]) -> list[dict[str, Any]]:
    """Return how many times as long as ours others take, turn by turn."""
    pairs = [
        ("ultralytics, predict", "rcnet-rt, no video"),
        ("ultralytics, predict and save", "rcnet-rt, video"),
        ("rcnet-rt, no video, one worker", "rcnet-rt, no video"),
        ("before, no video", "rcnet-rt, no video"),
        ("before, video", "rcnet-rt, video"),
    ]
    return [_ratio(turns, other, ours) for other, ours in pairs if other in turns[0]]


def _ratio(turns: list[dict[str, Turn]], other: str, ours: str) -> dict[str, Any]:
    wall = [turn[other].wall / turn[ours].wall for turn in turns]
    cpu = [turn[other].cpu / turn[ours].cpu for turn in turns]
    return {
        "of": f"{other} / {ours}",
        "wall": round(float(np.median(wall)), 3),
        "cpu": round(float(np.median(cpu)), 3),
        "turns": ", ".join(f"{ratio:.2f}" for ratio in wall),
    }


def _live(video: Path, model: Path, seconds: float, checkout: Path) -> Mapping[str, float]:
    """Return the age of a live source's results, measured in a process of its own."""
    done = subprocess.run(  # our own interpreter and program
        [sys.executable, live_latency.__file__, str(video), str(model), str(seconds)],
        env=_environment(checkout),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise EstimatorError(
            f"the live source ended with exit code {done.returncode}: {done.stderr}"
        )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


@click.command()
@click.option("--video", type=click.Path(path_type=Path), help=f"[default: DATA/{VIDEO}]")
@click.option("--model", type=click.Path(path_type=Path), help=f"[default: DATA/{MODEL}]")
@click.option("--runs", default=RUNS, show_default=True, help="Turns that count.")
@click.option(
    "--before",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="CHECKOUT",
    help="An older checkout of this package that takes part.",
)
@click.option("--live-seconds", type=float, default=LIVE_SECONDS, show_default=True)
@click.option("--cost-frames", type=click.IntRange(min=1), default=COST_FRAMES, show_default=True)
@click.option("--page", type=click.Path(path_type=Path), help="Write a page of tables, Markdown.")
@json_option
def main(page: Path | None, json_file: Path | None, **options: Any) -> None:
    """Time a video end to end against ultralytics."""
    results = measure(**options)
    report("video end to end", results, json_file)
    if page is not None:
        write_bytes(page, pipeline_page.text({"machine": machine(), **results}).encode())


if __name__ == "__main__":
    main()
