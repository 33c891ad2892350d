"""A data set and results in; weights with their gain on held-out images out."""

from __future__ import annotations

import importlib.util
import json
import math
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TextIO

from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.files import write_bytes
from rcnet_rt.errors import DatasetError, WeightsError
from rcnet_rt.models.device import usable_device
from rcnet_rt.poses import skeletons
from rcnet_rt.report.folder import PAGE, check_folder
from rcnet_rt.report.held_out import write_held_out_report
from rcnet_rt.report.png import encode, require_packages
from rcnet_rt.report.tensorboard import EventFiles
from rcnet_rt.report.training_curves import read_log, training_curves
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.config import PRESETS, Recipe
from rcnet_rt.training.examples import Examples
from rcnet_rt.training.fit import Progress as EpochProgress
from rcnet_rt.training.fit import trained_weights
from rcnet_rt.training.parallel import Task, default_workers, one_thread, run_all
from rcnet_rt.workflows.dataset import as_dataset
from rcnet_rt.workflows.progress import OnProgress, Progress, ignore
from rcnet_rt.workflows.training_data import (
    FilesByEstimator,
    estimator_files,
    load_data,
    load_estimators,
)
from rcnet_rt.workflows.training_result import TrainingResult, judge
from rcnet_rt.workflows.training_run import HoldOut, Run

__all__ = ["TrainingResult", "load_data", "new_run_folder", "train"]


def train(
    dataset: Dataset | str | PathLike[str],
    predictions: FilesByEstimator,
    *,
    out: str | PathLike[str] | None = None,
    name: str = "rcnet",
    recipe: Recipe | str = "residual",
    augmentations: FilesByEstimator = (),
    leave_out: Collection[str] = (),
    folds: int | None = None,
    val_fraction: float | None = None,
    val_split: str | None = None,
    skeleton: str | None = None,
    device: str = "cpu",
    workers: int | None = None,
    resume: bool = False,
    report: bool = False,
    joints: bool = True,
    progress: OnProgress = ignore,
) -> TrainingResult:
    """Train a network that re-scores poses, and measure what it gains.

    The gain is measured on images that the network did not see. By default every image is held out
    once in 5 folds (from 5,000 images on: a tenth of them, once); the network that is kept is then
    trained on all of them. `out` gets the weights, their model card, a log and its curves.

    Args:
        dataset: a COCO folder, or a `Dataset`.
        predictions: COCO results of the estimator, one file or several; `predict` makes them. Of
            several estimators: their files by name.
        out: folder of the run; None is runs/<time>.
        name: of the weights.
        recipe: a `Recipe`, or the name of a preset: "residual" or "paper".
        augmentations: results on augmentations of the same images, by the same names.
        leave_out: names of estimators that are judged and not trained on.
        folds: number of folds of a cross-validation.
        val_fraction: share of the images to hold out, once.
        val_split: hold out the images of this split.
        skeleton: name of another skeleton of the same joints.
        device: "auto", "cpu", "cuda", …
        workers: how many folds are trained at once, each in a process of its own, with the same
            numbers; None is one a usable core, and 1 on a GPU or where there is little to do.
        resume: go on with the run in `out`, which has the same options and files.
        report: write a page on the held-out images too; of several estimators, one each.
        joints: whether the weights get a joint head, see `rescoring.joint_head`.
        progress: called after each epoch with its loss, AP and ranking accuracy.

    Raises:
        DatasetError: a damaged file, results without ground truth, or another run to resume.
        WeightsError: an unknown preset, a name that is no file name, or a recipe that cannot be.
        BackendError: torch cannot use the device.
        OutputError: the folder holds a run, or cannot be written.
    """
    dataset = as_dataset(dataset)
    if skeleton is not None:
        dataset = dataset.with_skeleton(skeletons.get(skeleton))
    if resume and out is None:
        raise DatasetError("resume needs out, the folder of the run to go on with")
    if workers is not None and workers < 1:
        raise WeightsError(f"workers must be at least 1, got {workers}")
    chosen, device = _recipe(recipe), usable_device(device)
    files = estimator_files(predictions, augmentations, leave_out)
    held_out = HoldOut(folds, val_fraction, val_split)
    data = load_estimators(dataset, files)
    examples = Examples({f.name: data[f.name] for f in files if not f.is_left_out}, chosen)
    run = Run(
        folder=new_run_folder() if out is None else Path(out),
        name=name,
        recipe=replace(chosen, epochs=examples.epochs),
        estimators=files,
        parts=held_out.splits(data.values(), chosen.seed),
        skeleton=dataset.skeleton.name,
        joints=joints,
    )
    if report:
        require_packages()
        for estimator in data:
            check_folder(run.report_folder(estimator))
    examples.check(run.trainings())
    if workers is None:
        poses = sum(len(some.entries) for some in examples.estimators.values())
        count = len(run.trainings())
        workers = default_workers(device, count, poses * count * examples.epochs)
    with run.claimed(resume), one_thread():
        with _recorder(run, examples.epochs, progress) as recorder:
            trained = _train_all(run, examples, device, workers, recorder)
        _draw_curves(run)
        result = judge(run, data, examples, trained)
    if not report:
        return result
    pages = {}
    for estimator, judged in result.estimators.items():
        folder = run.report_folder(estimator)
        folder.parent.mkdir(exist_ok=True)
        write_held_out_report(folder, data[estimator], judged.held_out, result.weights, dataset)
        pages[estimator] = folder / PAGE
    return replace(result, report_pages=pages)


def new_run_folder() -> Path:
    """Return the default folder of a run that begins now: runs/<time>."""
    return Path("runs") / time.strftime("%Y-%m-%d_%H-%M-%S")


def _recipe(recipe: Recipe | str) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in PRESETS:
        raise WeightsError(
            f"unknown preset {recipe!r}; give a Recipe or one of {', '.join(PRESETS)}"
        )
    return PRESETS[recipe]


class _Recorder:
    """Writes a line an epoch to the log, and TensorBoard events where it is installed."""

    def __init__(
        self, run: Run, epochs: int, log: TextIO, events: EventFiles, progress: OnProgress
    ) -> None:
        self._epochs, self._log, self._events = epochs, log, events
        self._progress = progress
        self._done = {split.name: 0 for split in run.trainings()}

    def __call__(self, epoch: EpochProgress) -> None:
        values = {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in asdict(epoch).items()
        }
        self._log.write(json.dumps(values) + "\n")
        self._log.flush()
        self._events.write(epoch)
        self._done[epoch.split] = epoch.epoch
        figures = {
            "loss": epoch.loss,
            "ap": epoch.ap,
            "ranking_accuracy": epoch.ranking_accuracy,
        }
        total = self._epochs * len(self._done)
        task = f"{epoch.split}, epoch {epoch.epoch}"
        self._progress(Progress(task, sum(self._done.values()), total, figures=figures))

    def finish(self, split: str) -> None:
        """Count a whole training, whose epochs may be from before a resume."""
        self._done[split] = self._epochs


@contextmanager
def _recorder(run: Run, epochs: int, progress: OnProgress) -> Iterator[_Recorder]:
    with open(run.log, "a", encoding="utf-8") as log, EventFiles(run.events) as events:
        yield _Recorder(run, epochs, log, events, progress)


def _draw_curves(run: Run) -> None:
    """Draw the whole log, what was there before a resume too; without matplotlib, nothing."""
    if importlib.util.find_spec("matplotlib") is not None:
        write_bytes(run.curves, encode(training_curves(read_log(run.log))))


def _train_all(
    run: Run, examples: Examples, device: str, workers: int, recorder: _Recorder
) -> list[Weights]:
    """Return the weights of each training of the run, without calibration."""
    splits = run.trainings()
    tasks = [Task(partial(examples.training, s), run.checkpoint(s.name)) for s in splits]
    trained: dict[int, Weights] = {}
    found = run_all(tasks, workers=workers, device=device, progress=recorder)
    with closing(found):
        for number, training, network in found:
            trained[number] = trained_weights(examples, training, network, run.name)
            recorder.finish(training.split)
    return [trained[number] for number in range(len(splits))]
