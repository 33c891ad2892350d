"""Runs the rows and computes their figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.studies.accuracy import protocol
from benchmarks.studies.accuracy.parts import RAW, Part, Row, Subject
from benchmarks.studies.accuracy.protocol import Evaluation
from rcnet_rt.evaluation.labeled_results import LabeledResults

__all__ = ["Options", "Table", "gain", "mapping", "run_rows", "views"]

CHANGE = 0.1  # of an image's own AP; more counts as a fall or a rise


@dataclass(frozen=True)
class Options:
    """How the study runs; see `python -m benchmarks.studies.accuracy --help`."""

    data: Path
    fold_seeds: int = 3
    resamples: int = 1000
    workers: int = 1


Table = dict[str, Any]  # as results.json has it
Evaluations = dict[str, Evaluation]  # by view


@dataclass(frozen=True)
class _Task:
    options: Options
    estimator: str
    row: Row
    seed: int


def views(data: LabeledResults) -> dict[str, Sequence[int]]:
    """Return the choices of images that figures are given for."""
    complete = sorted(data.average_precision.complete)
    return {"all": data.average_precision.images, "complete": complete}


def run_rows(options: Options, subject: Subject, part: Part, log: Callable[[str], None]) -> Table:
    """Evaluate every row of a part on an estimator's results."""
    rows, estimator = part.rows(subject), subject.estimator
    present = [row for row in rows if row.scorer is not None]
    tasks = [
        _Task(options, estimator, row, seed)
        for seed in range(options.fold_seeds)
        for row in present
        if seed == 0 or row.how != "fixed"
    ]
    evaluations: dict[str, list[Evaluations]] = {row.name: [] for row in present}
    with mapping(options.workers) as mapped:
        for number, (task, result) in enumerate(zip(tasks, mapped(_work, tasks), strict=True), 1):
            evaluations[task.row.name].append(result)
            log(f"{estimator} {number}/{len(tasks)} {task.row.name}, seed {task.seed}")
    data = protocol.load(options.data, estimator)
    return {
        view: {
            "images": len(images),
            "people": sum(int((~data.ground_truth.persons[i].ignore).sum()) for i in images),
            "over": part.over,
            "rows": [
                {"name": row.name, **_figures(row.name, _of_view(evaluations, view), part.over)}
                for row in rows
            ],
        }
        for view, images in views(data).items()
    }


@contextmanager
def mapping(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Yield a `map` over so many processes, each on one thread."""
    if workers == 1:
        torch.set_num_threads(1)
        yield map
    else:
        context = get_context("spawn")
        with ProcessPoolExecutor(workers, context, torch.set_num_threads, (1,)) as pool:
            yield pool.map


def _work(task: _Task) -> Evaluations:
    options, row = task.options, task.row
    assert row.scorer is not None
    data = protocol.load(options.data, task.estimator)
    if row.how == "fixed":
        scores = row.scorer(data)
    elif row.how == "folds":
        scores = protocol.out_of_fold(data, row.scorer, task.seed)
    else:
        scores = protocol.left_out(options.data, task.estimator, row.scorer, task.seed)
    return {
        view: protocol.evaluate(data, scores, images, options.resamples)
        for view, images in views(data).items()
    }


def _of_view(evaluations: dict[str, list[Evaluations]], view: str) -> dict[str, list[Evaluation]]:
    """Return the evaluations of one view, by row and seed."""
    return {name: [seed[view] for seed in seeds] for name, seeds in evaluations.items()}


def _figures(
    name: str, evaluations: dict[str, list[Evaluation]], over: Sequence[str]
) -> dict[str, Any]:
    """Return a row's figures in AP points; none for a row that could not run."""
    if name not in evaluations:
        return {}
    seeds = evaluations[name]
    aps = [100 * evaluation.ap for evaluation in seeds]
    return {
        "ap": float(np.mean(aps)),
        "spread": float(np.std(aps, ddof=1)) if len(aps) > 1 else None,
        "gains": {other: gain(seeds, evaluations[other]) for other in over if other != name},
        "images": _changes(seeds, evaluations[RAW][0]),
    }


def gain(after: list[Evaluation], before: list[Evaluation]) -> dict[str, float]:
    """Return the difference of the means over seeds; resamples draw images, not seeds."""
    resampled = np.mean([v.resampled for v in after], axis=0) - np.mean(
        [v.resampled for v in before], axis=0
    )
    low, high = np.quantile(resampled, [0.025, 0.975])
    difference = np.mean([v.ap for v in after]) - np.mean([v.ap for v in before])
    return {
        "difference": 100 * float(difference),
        "low": 100 * float(low),
        "high": 100 * float(high),
    }


def _changes(after: list[Evaluation], before: Evaluation) -> dict[str, float]:
    """Return how many images fall and rise by more than `CHANGE` in their own AP, mean of seeds."""
    change = np.array([evaluation.own - before.own for evaluation in after])
    return {
        "fall": float((change < -CHANGE).sum(axis=1).mean()),
        "rise": float((change > CHANGE).sum(axis=1).mean()),
        "judged": int(math.fsum(~np.isnan(before.own))),
    }
