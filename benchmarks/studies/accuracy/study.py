"""Runs the rows and computes their figures."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch

from benchmarks.studies.accuracy import protocol
from benchmarks.studies.accuracy.cells import Cell, cached, describe, finished
from benchmarks.studies.accuracy.figures import figures
from benchmarks.studies.accuracy.parts import RAW, Part, Row, Subject
from benchmarks.studies.accuracy.protocol import Estimator, Evaluation
from rcnet_rt.evaluation.labeled_results import LabeledResults

__all__ = ["Options", "Table", "gain", "mapping", "run_rows", "views"]

CHANGE = 0.1  # of an image's own AP; more counts as a fall or a rise


@dataclass(frozen=True)
class Options:
    """How the study runs; see `python -m benchmarks.studies.accuracy --help`.

    Attributes:
        data: folder of coco-val/ and predictions/.
        fold_seeds: splits into folds, at most; see `Estimator.seeds`.
        resamples: of the bootstrap.
        workers: processes.
        cells: folder of finished cells, or None.
        compute: whether cells that are not there are computed, or left out.
        rows: a regular expression; other rows are left out, but those that all are compared with.
    """

    data: Path
    fold_seeds: int = 3
    resamples: int = 1000
    workers: int = 1
    cells: Path | None = None
    compute: bool = True
    rows: str = ""


Table = dict[str, Any]  # as results.json has it


@dataclass(frozen=True)
class _Result:
    """What is kept of a row with one seed: an evaluation a view, its figures, and its time."""

    evaluations: dict[str, Evaluation]
    figures: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class _Task:
    options: Options
    estimator: Estimator
    row: Row
    seed: int


def views(data: LabeledResults) -> dict[str, Sequence[int]]:
    """Return the choices of images that figures are given for, by name."""
    images, complete = data.average_precision.images, sorted(data.average_precision.complete)
    return {"all": images} | ({} if list(images) == complete else {"complete": complete})


def run_rows(options: Options, subject: Subject, part: Part, log: Callable[[str], None]) -> Table:
    """Evaluate rows of a part on an estimator's results, and those that they are compared with."""
    planned, compared, estimator = part.rows(subject), {RAW, *part.over}, subject.estimator
    rows = [row for row in planned if row.name in compared or re.search(options.rows, row.name)]
    present = [row for row in rows if row.scorer is not None]
    tasks = [
        _Task(options, estimator, row, seed)
        for seed in range(min(options.fold_seeds, estimator.seeds))
        for row in present
        if seed == 0 or row.how != "fixed"
    ]
    results: dict[str, list[_Result]] = {row.name: [] for row in present}
    with mapping(options.workers) as mapped:
        for number, (task, result) in enumerate(zip(tasks, mapped(_work, tasks), strict=True), 1):
            if result is None:
                continue
            results[task.row.name].append(result)
            log(
                f"{estimator.name} {number}/{len(tasks)} {task.row.name}, seed {task.seed}: "
                f"{100 * result.evaluations['all'].ap:.2f}, {result.seconds:.0f} s"
            )
    data = protocol.load(options.data, estimator)
    return {
        view: {
            "images": len(images),
            "people": sum(int((~data.ground_truth.persons[i].ignore).sum()) for i in images),
            "over": part.over,
            "seconds": sum(result.seconds for seeds in results.values() for result in seeds),
            "planned": len(planned),
            "rows": [
                {"name": row.name, **_row_figures(row.name, view, results, part.over)}
                for row in rows
                if row.scorer is None or results[row.name]
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


def _work(task: _Task) -> _Result | None:
    """Return a row's result with one seed; None if its cell is not there and none is computed."""
    options, row = task.options, task.row
    decided_by = {
        "estimator": asdict(task.estimator),
        "scorer": describe(row.scorer),
        "seed": task.seed,
        "resamples": options.resamples,
    }
    if options.compute:
        cell: Cell | None = cached(options.cells, decided_by, lambda: _cell(task))
    else:
        assert options.cells is not None
        cell = finished(options.cells, decided_by)
    if cell is None:
        return None
    names = sorted({name.partition(":")[0] for name in cell if ":" in name})
    return _Result(
        {
            view: Evaluation(
                float(cell[f"{view}:ap"]), cell[f"{view}:resampled"], cell[f"{view}:own"]
            )
            for view in names
        },
        json.loads(str(cell["figures"])),
        float(cell["seconds"]),
    )


def _cell(task: _Task) -> Cell:
    """Compute a row with one seed: its scores, its figures, and an evaluation a view."""
    options, row = task.options, task.row
    assert row.scorer is not None
    data = protocol.load(options.data, task.estimator)
    start = monotonic()
    if row.how == "fixed":
        scores = row.scorer(data)
    else:
        scores = protocol.out_of_fold(data, row.scorer, task.seed)
    cell: Cell = {
        "scores": scores,
        "seconds": np.array(monotonic() - start),
        "figures": np.array(json.dumps(figures(data, scores))),
    }
    for view, images in views(data).items():
        evaluation = protocol.evaluate(data, scores, images, options.resamples)
        cell[f"{view}:ap"] = np.array(evaluation.ap)
        cell[f"{view}:resampled"] = evaluation.resampled
        cell[f"{view}:own"] = evaluation.own
    return cell


def _row_figures(
    name: str, view: str, results: dict[str, list[_Result]], over: Sequence[str]
) -> dict[str, Any]:
    """Return a row's figures in AP points; none for a row that could not run."""
    if name not in results:
        return {}
    evaluations = {
        row: [result.evaluations[view] for result in seeds]
        for row, seeds in results.items()
        if seeds
    }
    seeds, missing = evaluations[name], set(over) - set(evaluations)
    aps = [100 * evaluation.ap for evaluation in seeds]
    row: dict[str, Any] = {
        "ap": float(np.mean(aps)),
        "spread": float(np.std(aps, ddof=1)) if len(aps) > 1 else None,
        "gains": {
            other: gain(seeds, evaluations[other])
            for other in over
            if other not in {name, *missing}
        },
        "images": _changes(seeds, evaluations[RAW][0]),
    }
    if view == "all":
        each = [result.figures for result in results[name]]
        row["figures"] = {
            figure: float(np.mean([some[figure] for some in each])) for figure in each[0]
        }
    return row


def gain(after: list[Evaluation], before: list[Evaluation]) -> dict[str, float]:
    """Return the difference of the means over seeds; resamples draw images, not seeds.

    Where `after` has fewer seeds, the first ones are compared: they are of the same folds.
    """
    before = before[: len(after)]
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
