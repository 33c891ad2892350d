"""A data set and results in; weights with their gain on held-out images out."""

from __future__ import annotations

import importlib.util
import json
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, TextIO

from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.files import write_bytes
from rcnet_rt.errors import DatasetError, WeightsError
from rcnet_rt.evaluation.compare import Evaluation, compare
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.poses import skeletons
from rcnet_rt.report.folder import PAGE, check_folder
from rcnet_rt.report.held_out import write_held_out_report
from rcnet_rt.report.png import encode, require_packages
from rcnet_rt.report.tensorboard import EventFiles
from rcnet_rt.report.training_curves import read_log, training_curves
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.score_convention import ScoreConvention
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.config import PRESETS, Recipe
from rcnet_rt.training.cross_validation import (
    HeldOut,
    calibrate_on,
    calibration_errors,
    hold_out_each,
)
from rcnet_rt.training.examples import Examples
from rcnet_rt.training.fit import Progress as EpochProgress
from rcnet_rt.training.fit import trained_weights
from rcnet_rt.training.model_card import JudgedEstimator, card, record, record_estimators
from rcnet_rt.training.parallel import Task, default_workers, one_thread, run_all
from rcnet_rt.training.splits import Split
from rcnet_rt.workflows.dataset import as_dataset
from rcnet_rt.workflows.progress import OnProgress, Progress, ignore
from rcnet_rt.workflows.training_data import (
    UNNAMED,
    EstimatorFiles,
    FilesByEstimator,
    estimator_files,
    load_data,
    load_estimators,
)
from rcnet_rt.workflows.training_run import HoldOut, Run

__all__ = ["TrainedEstimator", "TrainingResult", "load_data", "new_run_folder", "train"]


@dataclass(frozen=True, eq=False)
class TrainedEstimator:
    """What weights gain on the held-out images of one estimator.

    Attributes:
        files: its files, and whether it was left out of the training.
        evaluation: raw and refined scores of the held-out images.
        held_out: the held-out scores themselves.
        calibration_errors: expected calibration error by score: raw, refined, calibrated.
    """

    files: EstimatorFiles
    evaluation: Evaluation
    held_out: HeldOut
    calibration_errors: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What came of a training.

    Attributes:
        estimators: the gain by name of the estimator; "" is one without a name.
        weights: calibrated, with their thresholds.
        weights_file: where the weights are.
        card_file: where their model card is.
        report_page: page of the report on the held-out images, None if it was not asked for.
    """

    estimators: Mapping[str, TrainedEstimator]
    weights: Weights
    weights_file: Path
    card_file: Path
    report_page: Path | None

    @property
    def evaluation(self) -> Evaluation:
        """Raw and refined scores of the held-out images, where there is one estimator.

        Raises:
            DatasetError: there are several.
        """
        return self._only.evaluation

    @property
    def held_out(self) -> HeldOut:
        """The held-out scores themselves, where there is one estimator.

        Raises:
            DatasetError: there are several.
        """
        return self._only.held_out

    @property
    def _only(self) -> TrainedEstimator:
        if len(self.estimators) > 1:
            raise DatasetError(
                f"there are {len(self.estimators)} estimators; take that of one from `estimators`"
            )
        (only,) = self.estimators.values()
        return only


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
        device: "cpu", "cuda", …
        workers: how many folds are trained at once, each in a process of its own, with the same
            numbers; None is one a usable core, and 1 on a GPU or where there is little to do.
        resume: go on with the run in `out`, which has the same options and files.
        report: write a page on the held-out images too; of one estimator.
        progress: called after each epoch with its loss, AP and ranking accuracy.

    Raises:
        DatasetError: a damaged file, results without ground truth, or another run to resume.
        WeightsError: an unknown preset, or a recipe that cannot be.
        OutputError: the folder holds a run, or cannot be written.
    """
    dataset = as_dataset(dataset)
    if skeleton is not None:
        dataset = dataset.with_skeleton(skeletons.get(skeleton))
    if resume and out is None:
        raise DatasetError("resume needs out, the folder of the run to go on with")
    if workers is not None and workers < 1:
        raise WeightsError(f"workers must be at least 1, got {workers}")
    chosen = _recipe(recipe)
    files = estimator_files(predictions, augmentations, leave_out)
    if report and len(files) > 1:
        raise DatasetError("a report is about one estimator; train several without report")
    held_out = HoldOut(folds, val_fraction, val_split)
    data = load_estimators(dataset, files)
    examples = Examples({f.name: data[f.name] for f in files if not f.is_left_out}, chosen)
    run = Run(
        folder=new_run_folder() if out is None else Path(out),
        name=name,
        recipe=chosen,
        estimators=files,
        parts=held_out.splits(data.values(), chosen.seed),
        skeleton=dataset.skeleton.name,
    )
    if report:
        require_packages()
        check_folder(run.report)
    run.claim(resume)
    if workers is None:
        poses = sum(len(some.entries) for some in examples.estimators.values())
        count = len(run.trainings())
        workers = default_workers(device, count, poses * count * chosen.epochs)
    with one_thread():
        with _recorder(run, progress) as recorder:
            trained = _train_all(run, examples, device, workers, recorder)
        _draw_curves(run)
        result = _judge(run, data, examples, trained)
    if not report:
        return result
    (only,) = data.values()
    write_held_out_report(run.report, only, result.held_out, result.weights, dataset)
    return replace(result, report_page=run.report / PAGE)


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

    def __init__(self, run: Run, log: TextIO, events: EventFiles, progress: OnProgress) -> None:
        self._epochs, self._log, self._events = run.recipe.epochs, log, events
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
def _recorder(run: Run, progress: OnProgress) -> Iterator[_Recorder]:
    with open(run.log, "a", encoding="utf-8") as log, EventFiles(run.events) as events:
        yield _Recorder(run, log, events, progress)


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


def _judge(
    run: Run,
    data: Mapping[str, LabeledResults],
    examples: Examples,
    trained: Sequence[Weights],
) -> TrainingResult:
    """Evaluate the held-out images of each estimator; write the weights and their card.

    With one split the network trained on it is kept; with several, one trained on all images.
    """
    left_out = data.keys() - examples.estimators.keys()
    parts = list(zip(run.parts, trained, strict=False))
    held_out = hold_out_each(data, parts, left_out)
    scored = [(data[name], held_out[name]) for name in held_out if name not in left_out]
    weights = calibrate_on(scored, trained[-1])
    estimators = {
        files.name: _evaluate(files, data[files.name], held_out[files.name], weights.floor)
        for files in run.estimators
        if files.name in held_out
    }
    weights = replace(weights, training=_record(run, data, examples, estimators))
    weights_io.save(weights, run.weights)
    write_bytes(run.card, card(weights).encode())
    return TrainingResult(estimators, weights, run.weights, run.card, None)


def _evaluate(
    files: EstimatorFiles, data: LabeledResults, unseen: HeldOut, floor: float
) -> TrainedEstimator:
    evaluation = compare(
        data.ground_truth,
        [data.entries[index] for index in unseen.entries],
        data.scores[unseen.entries],
        unseen.refined,
        {unseen.baseline_name: unseen.baseline},
    )
    errors = calibration_errors(data, unseen, floor)
    return TrainedEstimator(files, evaluation, unseen, errors)


def _record(
    run: Run,
    data: Mapping[str, LabeledResults],
    examples: Examples,
    estimators: Mapping[str, TrainedEstimator],
) -> dict[str, Any]:
    """Return the training metadata: of one estimator without a name, or by name."""
    known = {image for some in examples.estimators.values() for image in some.poses}
    images = sorted(known.intersection(run.trainings()[-1].training))
    files = {files.name: [*files.results, *files.augmentations] for files in run.estimators}
    names = [path.name for name in examples.estimators for path in files[name]]
    held_out = _describe(run.parts)
    if list(data) == [UNNAMED]:
        (only,) = estimators.values()
        return record(
            run.recipe,
            only.evaluation,
            data=names,
            held_out=held_out,
            images=images,
            calibration_errors=only.calibration_errors,
        )
    judged = {
        name: JudgedEstimator(
            data=[path.name for path in files[name]],
            score_convention=str(ScoreConvention.of(p.poses for p in data[name].poses.values())),
            evaluation=estimator.evaluation,
            calibration_errors=estimator.calibration_errors,
            is_left_out=estimator.files.is_left_out,
        )
        for name, estimator in estimators.items()
    }
    return record_estimators(run.recipe, judged, data=names, held_out=held_out, images=images)


def _describe(parts: Sequence[Split]) -> str:
    if len(parts) > 1:
        return f"every image once, in {len(parts)} folds; the kept network is trained on all"
    (part,) = parts
    return f"{len(part.held_out)} images; the kept network is trained on {len(part.training)}"
