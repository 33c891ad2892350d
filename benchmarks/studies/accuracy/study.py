"""Runs the rows and puts figures beside them."""

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
from benchmarks.studies.accuracy.protocol import Verdict
from rcnet_rt.evaluation.labeled_results import LabeledResults

__all__ = ["Options", "Table", "gain", "mapping", "run_rows", "views"]

CHANGE = 0.1  # an image whose own AP changes by more has changed


@dataclass(frozen=True)
class Options:
    """How the study runs; see `python -m benchmarks.studies.accuracy --help`."""

    data: Path
    fold_seeds: int = 3
    resamples: int = 1000
    workers: int = 1


Table = dict[str, Any]  # as results.json has it
Verdicts = dict[str, Verdict]  # by view


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


def run_rows(options: Options, subject: Subject, part: Part, tell: Callable[[str], None]) -> Table:
    """Judge every row of a part on an estimator's results."""
    rows, estimator = part.rows(subject), subject.estimator
    present = [row for row in rows if row.scorer is not None]
    tasks = [
        _Task(options, estimator, row, seed)
        for seed in range(options.fold_seeds)
        for row in present
        if seed == 0 or row.how != "fixed"
    ]
    verdicts: dict[str, list[Verdicts]] = {row.name: [] for row in present}
    with mapping(options.workers) as mapped:
        for number, (task, result) in enumerate(zip(tasks, mapped(_work, tasks), strict=True), 1):
            verdicts[task.row.name].append(result)
            tell(f"{estimator} {number}/{len(tasks)} {task.row.name}, seed {task.seed}")
    data = protocol.load(options.data, estimator)
    return {
        view: {
            "images": len(images),
            "people": sum(int((~data.ground_truth.persons[i].ignore).sum()) for i in images),
            "over": part.over,
            "rows": [
                {"name": row.name, **_figures(row.name, _of_view(verdicts, view), part.over)}
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


def _work(task: _Task) -> Verdicts:
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
        view: protocol.judge(data, scores, images, options.resamples)
        for view, images in views(data).items()
    }


def _of_view(verdicts: dict[str, list[Verdicts]], view: str) -> dict[str, list[Verdict]]:
    """Return the verdicts of one view, by row and seed."""
    return {name: [seed[view] for seed in seeds] for name, seeds in verdicts.items()}


def _figures(name: str, verdicts: dict[str, list[Verdict]], over: Sequence[str]) -> dict[str, Any]:
    """Return a row's figures in AP points; none for a row that could not run."""
    if name not in verdicts:
        return {}
    seeds = verdicts[name]
    aps = [100 * verdict.ap for verdict in seeds]
    return {
        "ap": float(np.mean(aps)),
        "spread": float(np.std(aps, ddof=1)) if len(aps) > 1 else None,
        "gains": {other: gain(seeds, verdicts[other]) for other in over if other != name},
        "images": _changes(seeds, verdicts[RAW][0]),
    }


def gain(after: list[Verdict], before: list[Verdict]) -> dict[str, float]:
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


def _changes(after: list[Verdict], before: Verdict) -> dict[str, float]:
    """Return how many images fall and rise by more than `CHANGE` in their own AP, mean of seeds."""
    change = np.array([verdict.own - before.own for verdict in after])
    return {
        "fall": float((change < -CHANGE).sum(axis=1).mean()),
        "rise": float((change > CHANGE).sum(axis=1).mean()),
        "judged": int(math.fsum(~np.isnan(before.own))),
    }
