"""Ways to decide which poses are kept, frame by frame, from poses and times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.studies.flicker.recording import Kept, Recording
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17, Skeleton
from rcnet_rt.temporal.hysteresis import AGE, Hysteresis
from rcnet_rt.temporal.smoothing import MEMORY, ScoreSmoothing
from rcnet_rt.temporal.tracking import ByteTrack

__all__ = [
    "AGREEABLE",
    "OTHERS",
    "WAYS",
    "Decisions",
    "Way",
    "decide",
    "plain",
]

# With sigmas this large OKS, and so the agreement, is always 1: only time weighs.
AGREEABLE = replace(COCO17, name="agreeable", sigmas=tuple(1e3 * s for s in COCO17.sigmas))


@dataclass(frozen=True)
class Way:
    """One way: which steps are on.

    Attributes:
        memory: seconds of score smoothing, None for none.
        skeleton: its sigmas are used for the agreement.
        hysteresis: whether a kept person has a lower threshold.
        age: seconds before a person is kept.
    """

    memory: float | None = None
    skeleton: Skeleton = COCO17
    hysteresis: bool = False
    age: float = 0.0


@dataclass(frozen=True)
class Decisions:
    """For each frame of a recording: poses with their scores, and which are kept."""

    poses: list[Poses]
    kept: Kept


WAYS: Mapping[str, Way] = {
    "refined + smoothing": Way(memory=MEMORY),
    "refined + hysteresis": Way(hysteresis=True, age=AGE),
    "refined + smoothing + hysteresis": Way(memory=MEMORY, hysteresis=True, age=AGE),
    "the same, age 0": Way(memory=MEMORY, hysteresis=True),
    "the same, agreement always 1": Way(MEMORY, AGREEABLE, hysteresis=True, age=AGE),
}

# The package's constants were chosen before anything was measured; these show their effect.
OTHERS: Mapping[str, Way] = {
    "as they are": Way(MEMORY, hysteresis=True, age=AGE),
    **{f"memory {m} s": Way(m, hysteresis=True, age=AGE) for m in (0.125, 0.25, 1.0, 2.0)},
    **{f"age {age} s": Way(MEMORY, hysteresis=True, age=age) for age in (0.0, 0.05, 0.2)},
}


def decide(way: Way, recording: Recording, threshold: float) -> Decisions:
    """Run a way over a recording, as `rcnet-rt run --track` does."""
    step = _step(way, threshold)
    done = [step(*frame) for frame in zip(recording.poses, recording.times, strict=True)]
    return Decisions([poses for poses, _ in done], [kept for _, kept in done])


def plain(recording: Recording, threshold: float, *, raw: bool = False) -> Decisions:
    """Threshold each frame by itself; with `raw` the estimator's own scores."""
    poses = [replace(p, scores=p.raw_scores) for p in recording.poses] if raw else recording.poses
    return Decisions(list(poses), [p.scores.astype(np.float64) >= threshold for p in poses])


def _step(way: Way, threshold: float) -> Callable[[Poses, float], tuple[Poses, np.ndarray]]:
    keep = Hysteresis(threshold, None if way.hysteresis else threshold, way.age)
    track = ByteTrack(least=Hysteresis(threshold).leave)
    score = None if way.memory is None else ScoreSmoothing(way.skeleton, way.memory)

    def step(poses: Poses, time: float) -> tuple[Poses, np.ndarray]:
        poses = track(poses, time)
        if score is not None:
            poses = score(poses, time)
        return poses, keep(poses, time)

    return step
