"""Training killed at random moments and resumed: are the weights those of one run?"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.common import Results
from benchmarks.studies.soak.interrupts import press
from rcnet_rt.datasets.results import read_results, write_results

__all__ = ["measure"]

FILE = "lightweight-openpose_val2017.json.gz"
LAST_IMAGE = 60_000  # a small part, so that a run takes seconds
MAX_KILLS = 4  # of a run
OPTIONS = ("--epochs", "60", "--val-fraction", "0.3")  # epochs enough that most kills hit one


def measure(folder: Path, data: Path, runs: int, seed: int = 0) -> Results:
    """Train once without and `runs` times with kills; compare the weights byte by byte."""
    results = folder / "some.json"
    entries = read_results(data / "predictions" / FILE)
    write_results(results, [entry for entry in entries if entry["image_id"] < LAST_IMAGE])
    command = ["train", "--coco", str(data / "coco"), "--predictions", str(results), *OPTIONS]
    start = time.perf_counter()
    _train([*command, "--out", str(folder / "whole")], None)
    whole = time.perf_counter() - start
    expected = _weights(folder / "whole")
    moments = random.Random(seed)
    kills: list[list[bool]] = []
    faults = []
    for number in range(runs):
        out = folder / f"run{number}"
        kills.append(_through(command, out, [moments.uniform(0, whole) for _ in range(MAX_KILLS)]))
        if _weights(out) != expected:
            faults.append(f"run {number}, killed {len(kills[-1])} times: other weights, or none")
    return {
        "runs": runs,
        "seconds uninterrupted": round(whole, 2),
        "kills": sum(map(len, kills)),
        "of them between two epochs' checkpoints": sum(map(sum, kills)),
        "runs with the same weights": runs - len(faults),
        "faults": faults,
    }


def _through(command: list[str], out: Path, moments: list[float]) -> list[bool]:
    """Kill a run at these moments of its processes, until one ends.

    Returns:
        For each kill that hit, whether there were epochs behind it and epochs to come.
    """
    hits: list[bool] = []
    for moment in [*moments, None]:
        # A run that was killed before it wrote its description cannot be resumed.
        resume = ["--resume"] if (out / "run.json").exists() else []
        if _train([*command, "--out", str(out), *resume], moment) != -signal.SIGKILL:
            break
        started = any((out / "checkpoints").glob("[!.]*"))
        hits.append(started and _epochs(out) < int(OPTIONS[1]))
    return hits


def _train(arguments: list[str], kill_after: float | None) -> int:
    command = [sys.executable, "-m", "rcnet_rt", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True) as process:
        if kill_after is not None:
            press(process, kill_after, signal.SIGKILL)
        return process.wait()


def _epochs(out: Path) -> int:
    return len((out / "log.jsonl").read_text("utf-8").splitlines())


def _weights(out: Path) -> bytes | None:
    path = out / "rcnet.safetensors"
    return path.read_bytes() if path.exists() else None
