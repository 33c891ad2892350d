"""A data set and an estimator's results in; weights with their gain on held-out images out."""

from __future__ import annotations

import importlib.util
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path

from rcnet_rt.datasets.augment import last_of_each_augmentation
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.files import write_bytes
from rcnet_rt.datasets.results import Entry, read_results
from rcnet_rt.errors import DatasetError, WeightsError
from rcnet_rt.evaluation.compare import Evaluation, compare
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import expected_calibration_error
from rcnet_rt.poses import skeletons
from rcnet_rt.report.folder import PAGE, check_folder
from rcnet_rt.report.held_out import write_held_out_report
from rcnet_rt.report.png import encode, require_packages
from rcnet_rt.report.tensorboard import EventFiles
from rcnet_rt.report.training_curves import read_log, training_curves
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training import fit
from rcnet_rt.training.config import PRESETS, Recipe
from rcnet_rt.training.cross_validation import HeldOut, calibrate, hold_out
from rcnet_rt.training.model_card import card, record
from rcnet_rt.training.splits import Split
from rcnet_rt.workflows.dataset import as_dataset
from rcnet_rt.workflows.progress import OnProgress, Progress, ignore
from rcnet_rt.workflows.training_run import HoldOut, Run

__all__ = ["TrainingResult", "load_data", "new_run_folder", "train"]

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What came of a training.

    Attributes:
        evaluation: raw and refined scores of the held-out images.
        weights: calibrated, with their thresholds.
        held_out: the held-out scores themselves.
        weights_file: where the weights are.
        card_file: where their model card is.
        report_page: page of the report on the held-out images, None if it was not asked for.
    """

    evaluation: Evaluation
    weights: Weights
    held_out: HeldOut
    weights_file: Path
    card_file: Path
    report_page: Path | None


def train(
    dataset: Dataset | str | PathLike[str],
    predictions: Paths,
    *,
    out: str | PathLike[str] | None = None,
    name: str = "rcnet",
    recipe: Recipe | str = "residual",
    augmentations: Paths = (),
    folds: int | None = None,
    val_fraction: float | None = None,
    val_split: str | None = None,
    skeleton: str | None = None,
    device: str = "cpu",
    resume: bool = False,
    report: bool = False,
    progress: OnProgress = ignore,
) -> TrainingResult:
    """Train a network that re-scores an estimator's poses, and measure what it gains.

    The gain is measured on images that the network did not see. By default every image is held out
    once in 5 folds (from 5,000 images on: a tenth of them, once); the network that is kept is then
    trained on all of them. `out` gets the weights, their model card, a log and its curves.

    Args:
        dataset: a COCO folder, or a `Dataset`.
        predictions: COCO results of the estimator, one file or several; `predict` makes them.
        out: folder of the run; None is runs/<time>.
        name: of the weights.
        recipe: a `Recipe`, or the name of a preset: "residual" or "paper".
        augmentations: results on augmentations of the same images.
        folds: number of folds of a cross-validation.
        val_fraction: share of the images to hold out, once.
        val_split: hold out the images of this split.
        skeleton: name of another skeleton of the same joints.
        device: "cpu", "cuda", …
        resume: go on with the run in `out`, which has the same options and files.
        report: write a page on the held-out images too.
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
    chosen = _recipe(recipe)
    results, altered = _paths(predictions), _paths(augmentations)
    held_out = HoldOut(folds, val_fraction, val_split)
    data = load_data(dataset, results, altered)
    fit.embedding_size(data, chosen)  # refused before the folder is claimed
    run = Run(
        folder=new_run_folder() if out is None else Path(out),
        name=name,
        recipe=chosen,
        results=results,
        parts=held_out.splits(data, chosen.seed),
        augmentations=altered,
        skeleton=dataset.skeleton.name,
    )
    if report:
        require_packages()
        check_folder(run.report)
    run.claim(resume)
    with _recorder(run, progress) as on_epoch:
        evaluation, weights, unseen = _train_run(run, data, device, on_epoch)
    _draw_curves(run)
    page = None
    if report:
        write_held_out_report(run.report, data, unseen, weights, dataset)
        page = run.report / PAGE
    return TrainingResult(evaluation, weights, unseen, run.weights, run.card, page)


def new_run_folder() -> Path:
    """Return the default folder of a run that begins now: runs/<time>."""
    return Path("runs") / time.strftime("%Y-%m-%d_%H-%M-%S")


def load_data(
    dataset: Dataset, results: Sequence[Path], augmentations: Sequence[Path] = ()
) -> LabeledResults:
    """Read results files, one after the other, with the ground truth of their images.

    `augmentations` are results on augmentations of these images. Of an augmentation that is in
    several files the last one counts, so that some may have more signals than others.

    Raises:
        DatasetError: a damaged file, an image in two of them, or none that has ground truth.
    """
    entries: list[Entry] = []
    seen: dict[int, Path] = {}
    for path in results:
        part = read_results(path)
        for image in {entry["image_id"] for entry in part}:
            if image in seen:
                raise DatasetError(
                    f"image {image} is in both {seen[image]} and {path}; give the poses of an "
                    "image once"
                )
            seen[image] = path
        entries += part
    altered = last_of_each_augmentation([read_results(path) for path in augmentations])
    return LabeledResults(dataset.ground_truth(image_ids=seen.keys()), entries, altered)


def _paths(files: Paths) -> list[Path]:
    return [Path(files)] if isinstance(files, (str, PathLike)) else [Path(file) for file in files]


def _recipe(recipe: Recipe | str) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in PRESETS:
        raise WeightsError(
            f"unknown preset {recipe!r}; give a Recipe or one of {', '.join(PRESETS)}"
        )
    return PRESETS[recipe]


@contextmanager
def _recorder(run: Run, progress: OnProgress) -> Iterator[Callable[[fit.Progress], None]]:
    """Write a line an epoch to the log, and TensorBoard events where it is installed."""
    trainings = [part.name for part in run.trainings()]
    total = run.recipe.epochs * len(trainings)
    with open(run.log, "a", encoding="utf-8") as log, EventFiles(run.events) as events:

        def on_epoch(epoch: fit.Progress) -> None:
            values = {
                key: None if isinstance(value, float) and math.isnan(value) else value
                for key, value in asdict(epoch).items()
            }
            log.write(json.dumps(values) + "\n")
            log.flush()
            events.write(epoch)
            done = run.recipe.epochs * trainings.index(epoch.split) + epoch.epoch
            figures = {
                "loss": epoch.loss,
                "ap": epoch.ap,
                "ranking_accuracy": epoch.ranking_accuracy,
            }
            task = f"{epoch.split}, epoch {epoch.epoch}"
            progress(Progress(task, done, total, figures=figures))

        yield on_epoch


def _draw_curves(run: Run) -> None:
    """Draw the whole log, what was there before a resume too; without matplotlib, nothing."""
    if importlib.util.find_spec("matplotlib") is not None:
        write_bytes(run.curves, encode(training_curves(read_log(run.log))))


def _train_run(
    run: Run, data: LabeledResults, device: str, progress: Callable[[fit.Progress], None]
) -> tuple[Evaluation, Weights, HeldOut]:
    """Train on every split, evaluate the held-out images, and write the weights and their card.

    With one split the network trained on it is kept; with several, one trained on all images.
    """
    trained = [
        fit.fit(
            data,
            run.recipe,
            part,
            name=run.name,
            device=device,
            checkpoint=run.folder / "checkpoints" / f"{part.name.replace(' ', '-')}.safetensors",
            progress=progress,
        )
        for part in run.trainings(list(data.poses))
    ]
    unseen = hold_out(data, list(zip(run.parts, trained, strict=False)))
    evaluation = compare(
        data.ground_truth,
        [data.entries[index] for index in unseen.entries],
        data.scores[unseen.entries],
        unseen.refined,
        {unseen.baseline_name: unseen.baseline},
    )
    weights = calibrate(data, unseen, trained[-1])
    training = record(
        run.recipe,
        evaluation,
        data=[path.name for path in (*run.results, *run.augmentations)],
        held_out=_describe(run.parts),
        images=unseen.images if len(run.parts) > 1 else run.parts[0].training,
        calibration_errors=_calibration_errors(data, unseen, weights.floor),
    )
    weights = replace(weights, training=training)
    weights_io.save(weights, run.weights)
    write_bytes(run.card, card(weights).encode())
    return evaluation, weights, unseen


def _calibration_errors(data: LabeledResults, unseen: HeldOut, floor: float) -> dict[str, float]:
    """Of the poses that are re-scored; the many below the floor are easy and would hide them."""
    counted = (data.match.weight[unseen.entries] > 0) & (data.scores[unseen.entries] >= floor)
    oks = data.match.target[unseen.entries][counted]
    scores = {
        "raw": data.scores[unseen.entries],
        "refined": unseen.refined,
        "calibrated": unseen.calibrated,
    }
    return {
        name: expected_calibration_error(values[counted], oks) for name, values in scores.items()
    }


def _describe(parts: Sequence[Split]) -> str:
    if len(parts) > 1:
        return f"every image once, in {len(parts)} folds; the kept network is trained on all"
    (part,) = parts
    return f"{len(part.held_out)} images; the kept network is trained on {len(part.training)}"
