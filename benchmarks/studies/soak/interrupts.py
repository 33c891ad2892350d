"""Ctrl-C at random moments: can every output be read?"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import av

from benchmarks.common import Results
from benchmarks.studies.soak.clip import CLIP, RECORDING, write_clip
from rcnet_rt.datasets.jsonl import read_lines

__all__ = ["check", "measure", "press", "run_once"]

FRAMES, SIZE = 1000, (320, 240)
DRAWN, REFINED, TELEMETRY = "drawn.mp4", "refined.jsonl", "telemetry.json"
IN_TIME = {0: "done before", 130: "interrupted", -signal.SIGINT: "interrupted while Python starts"}


def measure(folder: Path, times: int, seed: int = 0) -> Results:
    """Run the command `times` times, each stopped after a share of its whole time."""
    write_clip(folder, FRAMES, SIZE)
    start = time.perf_counter()
    run_once(folder, None)
    whole = time.perf_counter() - start
    moments = random.Random(seed)
    ends: Counter[str] = Counter()
    faults, outputs, frames = [], 0, []
    for _ in range(times):
        moment = moments.uniform(0, whole)
        end, found = run_once(folder, moment)
        ends[end] += 1
        outputs += len(found["written"])
        frames.append(found["frames"])
        faults += [f"{moment:.2f} s: {fault}" for fault in found["faults"]]
    return {
        "interrupts": times,
        "seconds uninterrupted": round(whole, 2),
        "ends": dict(ends.most_common()),
        "outputs read": outputs,
        "runs stopped in mid-stream": sum(0 < count < FRAMES for count in frames),
        "faults": faults,
    }


def run_once(folder: Path, moment: float | None) -> tuple[str, Results]:
    """Run the command, press Ctrl-C after `moment` seconds, and check the outputs."""
    for name in READERS:
        (folder / name).unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "rcnet_rt", folder / CLIP, "--model", f"replay:{folder / RECORDING}",
        "--out", folder / DRAWN, "--json", folder / REFINED, "--telemetry", folder / TELEMETRY,
    ]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **quiet) as process:
        if moment is not None:
            press(process, moment)
        said = process.communicate(timeout=120)[1]
    end = IN_TIME.get(process.returncode, f"exit code {process.returncode}")
    found = check(folder)
    if process.returncode not in IN_TIME:
        found["faults"].append(f"{end}: {said.strip()[-300:]}")
    elif "Traceback" in said and process.returncode >= 0:
        found["faults"].append(f"a traceback: {said.strip()[-300:]}")
    return end, found


def press(process: subprocess.Popen[str], moment: float, number: int = signal.SIGINT) -> None:
    """Send a signal after so many seconds, unless the process has ended by then."""
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.send_signal(number)


def _frames_of_video(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def _frames_of_lines(path: Path) -> int:
    return sum(1 for _ in read_lines(path))


def _frames_of_telemetry(path: Path) -> int:
    return int(json.loads(path.read_text("utf-8"))["frames"]["out"])


READERS: dict[str, Callable[[Path], int]] = {
    DRAWN: _frames_of_video,
    REFINED: _frames_of_lines,
    TELEMETRY: _frames_of_telemetry,
}


def check(folder: Path) -> Results:
    """Read every output to its end; all must have the same frames, and no other file be left."""
    counts, faults = {}, []
    for name, read in READERS.items():
        if (folder / name).exists():
            try:
                counts[name] = read(folder / name)
            except Exception as error:  # whatever it is, the file cannot be read
                faults.append(f"{name}: {type(error).__name__}: {error}")
    if counts.get(DRAWN) != counts.get(REFINED):
        faults.append(f"not the same frames: {counts}")
    left = {path.name for path in folder.iterdir()} - {CLIP, RECORDING, *READERS}
    if left:
        faults.append(f"left behind: {', '.join(sorted(left))}")
    for name in left:
        (folder / name).unlink()
    return {"written": list(counts), "frames": counts.get(DRAWN, 0), "faults": faults}
