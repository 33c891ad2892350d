"""The steps of a training run: `python -m benchmarks.studies.full_coco.phases COCO RESULTS OUT`.

The same functions in the same order as `rcnet-rt train`, which alone is what a user runs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from benchmarks.studies.full_coco.children import peak_memory
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.compare import compare
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.training import fit
from rcnet_rt.training.config import PRESETS, Recipe
from rcnet_rt.training.cross_validation import calibrate, hold_out
from rcnet_rt.training.dataset import RankingSet, ranking_set, table
from rcnet_rt.training.loop import Epoch, train
from rcnet_rt.training.splits import Split, fraction_split
from rcnet_rt.workflows.train import load_data
from rcnet_rt.workflows.training_run import DEFAULT_FRACTION

__all__ = ["Phase", "main"]

EPOCHS = 3  # enough for their time

Value = TypeVar("Value")


@dataclass(frozen=True)
class Phase:
    """Seconds of a phase, wall clock and all cores; peak memory in GB up to its end."""

    phase: str
    seconds: float
    cpu_seconds: float
    peak_gb: float


class _Clock:
    """Wall clock and CPU seconds since it was made."""

    def __init__(self) -> None:
        self._start = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.monotonic(), time.process_time()

    def passed(self) -> tuple[float, float]:
        (wall, cpu), (start, cpu_start) = self._now(), self._start
        return wall - start, cpu - cpu_start


class _Phases:
    """Runs phases and keeps their costs."""

    def __init__(self) -> None:
        self.done: list[Phase] = []

    def run(self, name: str, work: Callable[[], Value]) -> Value:
        clock = _Clock()
        result = work()
        self.add(name, *clock.passed())
        return result

    def add(self, name: str, wall: float, cpu: float) -> None:
        self.done.append(Phase(name, round(wall, 1), round(cpu, 1), round(peak_memory(), 2)))


def main(coco: Path, results: Path, out: Path) -> None:
    """Run the phases and write their costs, with the sizes of the data, as JSON."""
    phases = _Phases()
    run = phases.run
    recipe = replace(PRESETS["residual"], epochs=EPOCHS)
    data = run("read annotations and results", lambda: load_data(Dataset(coco), [results]))
    run("poses of every image", lambda: data.poses)
    run("OKS of every pose with every person, for AP", lambda: data.average_precision)
    run("match poses to people", lambda: data.match)
    split = fraction_split(list(data.poses), DEFAULT_FRACTION)
    baseline = run("best baseline", lambda: data.best_baseline(split.training))
    examples = run("targets and features", lambda: _examples(data, recipe, baseline, split))
    phases.add("one epoch of training", *_epoch(recipe, examples))
    recipe = replace(recipe, baseline=baseline, epochs=1)
    weights = run("all of it with one epoch", lambda: fit.fit(data, recipe, split, name="x"))
    held_out = run("held-out scores", lambda: hold_out(data, [(split, weights)]))
    rows = held_out.entries
    run(
        "before and after, with intervals",
        lambda: compare(
            data.ground_truth,
            [data.entries[row] for row in rows],
            data.scores[rows],
            held_out.refined,
            {held_out.baseline_name: held_out.baseline},
        ),
    )
    run("calibration and thresholds", lambda: calibrate(data, held_out, weights))
    sizes = {
        "images": len(data.poses),
        "people": sum(int((~p.ignore).sum()) for p in data.ground_truth.persons.values()),
        "poses": len(data.entries),
        "poses trained on": len(examples),
        "features": examples.features.shape[1],
    }
    out.write_text(json.dumps({"sizes": sizes, "phases": [asdict(p) for p in phases.done]}))


def _examples(data: LabeledResults, recipe: Recipe, baseline: str, split: Split) -> RankingSet:
    poses = {image: data.poses[image] for image in split.training}
    matched = table(
        data.ground_truth,
        poses,
        floor=0.05,
        max_poses=recipe.max_poses,
        unmatched_weight=recipe.unmatched_weight,
    )
    return ranking_set(matched, data.ground_truth.skeleton, recipe.features, baseline, 1.0)


def _epoch(recipe: Recipe, examples: RankingSet) -> tuple[float, float]:
    """Return the mean seconds, wall and CPU, of all epochs but the first, which warms up."""
    clock = _Clock()
    ends: list[tuple[float, float]] = []

    def ended(_: Epoch) -> None:
        ends.append(clock.passed())

    train(recipe, examples, on_epoch=ended)
    wall, cpu = (
        (last - first) / (len(ends) - 1) for first, last in zip(ends[0], ends[-1], strict=True)
    )
    return wall, cpu


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
