"""What the drift alarm costs: runs of one clip, with and without in turn."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.studies.drift.recording import SPORTS, Recordings
from benchmarks.studies.drift.shifts import NONE
from rcnet_rt.workflows.video import process_video

__all__ = ["cost"]


def cost(recordings: Recordings, rounds: int) -> list[dict[str, Any]]:
    """Return the CPU time of a frame with recorded poses, decoding included, nothing written."""
    recordings.statistics(SPORTS, NONE)  # so that the recording is there
    model = f"replay:{recordings.poses_file(SPORTS, NONE)}"
    video = recordings.data / "videos" / SPORTS
    milliseconds: dict[bool, list[float]] = {False: [], True: []}
    stage: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for alarm in milliseconds:
            run = process_video(
                video,
                model=model,
                weights=recordings.weights,
                drift_alarm=alarm,
                drift_reference=100,
                device="cpu",
            )
            before = time.process_time()
            summary = run.finish()
            milliseconds[alarm].append(1000 * (time.process_time() - before) / summary.frames)
            if alarm:
                stage[alarm].append(1000 * summary.telemetry.stages["monitor"].percentile(0.5))
    return [
        {
            "drift_alarm": alarm,
            "rounds": rounds,
            "cpu_ms": float(np.median(milliseconds[alarm])),
            "stage_ms": float(np.median(stage[alarm])) if alarm else None,
        }
        for alarm in milliseconds
    ]
