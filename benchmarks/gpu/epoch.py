"""One training epoch of 300,000 poses, features computed before, of both presets.

The paper: 4.32 s on an RTX 3090; that its epoch has about 300,000 poses is our reading.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from benchmarks.common import Results
from benchmarks.gpu.kernels import activity, synchronizations
from benchmarks.gpu.measuring import Deadline, attempt
from benchmarks.speed.training import epoch, random_set
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring import features
from rcnet_rt.training.config import PRESETS, Recipe
from rcnet_rt.training.loop import train

__all__ = ["PAPER_SECONDS", "POSES", "measure"]

POSES, PAPER_SECONDS = 300_000, 4.32
TRIAL, PROFILED = 12_800, 2_560  # poses; a GPU records its graphs in the first epoch
EPOCHS = 3  # timed, after one that warms up


def measure(device: str, deadline: Deadline) -> Results:
    """Return the seconds of an epoch by preset, and what a step is on the device."""
    results: Results = {"paper_seconds": PAPER_SECONDS}
    for number, preset in enumerate(("paper", "residual")):
        results[preset] = attempt(_epoch, preset, device, deadline.share(2 - number))
    for preset in ("paper", "residual"):
        results[f"a step, {preset}"] = attempt(_step, PRESETS[preset], device)
    return results


def _epoch(preset: str, device: str, deadline: Deadline) -> Results:
    """Time whole epochs if a short trial says that they fit, else epochs of as many as do."""
    recipe = PRESETS[preset]
    begin = time.perf_counter()
    trial = epoch(recipe, preset, TRIAL, device, 1)
    whole = trial["epoch_seconds"] * POSES / TRIAL
    affordable = 0.7 * deadline.left / (whole * (EPOCHS + 1))
    poses = int(POSES * min(affordable, 1.0))
    timed = trial if poses < TRIAL else epoch(recipe, preset, poses, device, EPOCHS)
    return {
        "seconds_of_300000_poses": timed["epoch_seconds"] * POSES / timed["poses"],
        "extrapolated": timed["poses"] < POSES,
        **timed,
        "all_seconds": time.perf_counter() - begin,
    }


def _step(recipe: Recipe, device: str) -> Results:
    """Return kernels and waits of a step, from an epoch of a few; the set-up is a small share."""
    data = random_set(PROFILED, features.get(recipe.features).size(COCO17))
    once = replace(recipe, epochs=1)
    steps = len(np.unique((data.starts[1:] - 1) // recipe.poses_per_step))

    def call() -> None:
        train(once, data, device=device)

    call()
    waits = attempt(synchronizations, call, device)
    seen = activity(call, device, calls=1)
    figures = {name: seen[name] / steps for name in ("kernels", "kernel_us")}
    return {"steps": steps, **figures, "copies_in_all": seen["copies"], "waits_in_all": waits}
