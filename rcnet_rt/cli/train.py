"""`rcnet-rt train`: a COCO folder and an estimator's results in; weights that gained, out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rcnet_rt import __version__, experiment, features, weights_file
from rcnet_rt.cli.options import debug_option
from rcnet_rt.cli.tables import comparison_table
from rcnet_rt.datasets.coco import load_ground_truth, splits
from rcnet_rt.datasets.results import Entry, read_results
from rcnet_rt.errors import DatasetError, OutputError
from rcnet_rt.evaluation import Evaluation, compare
from rcnet_rt.experiment import Data, Split
from rcnet_rt.metrics import expected_calibration_error
from rcnet_rt.model_card import card, record
from rcnet_rt.recipes import PRESETS, Recipe
from rcnet_rt.weights_file import Weights

__all__ = ["train"]

MANY_IMAGES = 5000  # from here on one held-out part is enough, and folds are slow
DEFAULT_FOLDS = 5
DEFAULT_FRACTION = 0.1


@dataclass(frozen=True)
class Run:
    """A training run on disk: what it is, and where its parts are."""

    folder: Path
    name: str
    recipe: Recipe
    sources: dict[str, str]  # name of each results file and its digest

    @property
    def description(self) -> dict[str, Any]:
        """What must not change when a run is resumed."""
        return {"name": self.name, "recipe": asdict(self.recipe), "results": self.sources}

    @property
    def weights(self) -> Path:
        """Where the weights go."""
        return self.folder / f"{self.name}{weights_file.SUFFIX}"

    def checkpoint(self, split: Split) -> Path:
        """Where a split's training can be taken up again."""
        return self.folder / "checkpoints" / f"{split.name.replace(' ', '-')}.safetensors"


@click.command()
@click.option(
    "--coco",
    required=True,
    type=click.Path(path_type=Path),
    help="COCO folder: annotations/person_keypoints_{split}.json[.gz], images/{split}/.",
)
@click.option(
    "--predictions",
    multiple=True,
    type=click.Path(path_type=Path),
    help="COCO results of the estimator, plain or .gz; repeat for several. Without it --model "
    "predicts first.",
)
@click.option(
    "--model",
    default="yolo-pose",
    show_default=True,
    help="The estimator that predicts where there are no --predictions.",
)
@click.option("--split", help="Split that --model predicts on.  [default: all that have images]")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/<time>]"
)
@click.option("--name", default="rcnet", show_default=True, help="Name of the weights.")
@click.option("--preset", type=click.Choice(list(PRESETS)), default="residual", show_default=True)
@click.option("--epochs", type=click.IntRange(min=1))
@click.option("--arch", type=click.Choice(["attention", "mlp", "linear"]))
@click.option("--features", type=click.Choice(list(features.FEATURE_SETS)))
@click.option("--base", help="Base formula; auto is the best on the training images.")
@click.option("--target", type=click.Choice(["oks", "share"]))
@click.option("--margin", type=click.FloatRange(0, 1), help="Margin of the rank loss.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True))
@click.option("--seed", type=click.IntRange(min=0))
@click.option("--device", default="cpu", show_default=True)
@click.option("--folds", type=click.IntRange(min=2), help="Hold every image out once, in k folds.")
@click.option(
    "--val-fraction", type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Hold this share of the images out, once.",
)  # fmt: skip
@click.option("--val-split", help="Hold the images of this split out.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@debug_option
def train(
    coco: Path,
    predictions: tuple[Path, ...],
    model: str,
    split: str | None,
    out: Path | None,
    name: str,
    preset: str,
    device: str,
    resume: bool,
    folds: int | None,
    val_fraction: float | None,
    val_split: str | None,
    **changes: Any,
) -> None:
    """Train a network that re-scores an estimator's poses, and show what it gains.

    The gain is measured on images that the network did not see. By default every image is held out
    once in 5 folds (above 5,000 images: a tenth of them, once); the network that is kept is then
    trained on all of them. Everything goes into --out: the weights, their model card, a log.
    """
    if sum(value is not None for value in (folds, val_fraction, val_split)) > 1:
        raise click.UsageError("--folds, --val-fraction and --val-split exclude each other")
    changes["architecture"] = changes.pop("arch")
    given = {option: value for option, value in changes.items() if value is not None}
    recipe = replace(PRESETS[preset], **given)
    folder = _folder(out, resume)
    console = Console(stderr=True)
    files = list(predictions) or _predict(coco, model, split, folder, device, console)
    data = _load(coco, files)
    parts = _splits(data, coco, folds, val_fraction, val_split, recipe.seed)
    run = Run(folder, name, recipe, {path.name: _digest(path) for path in files})
    _claim(run, parts, resume)
    with _interruptible(run), _reporter(run, parts, console) as report:
        trained = _train(data, run, parts, device, report)
    evaluation, weights = _judge(data, run, parts, trained)
    weights_file.save(weights, run.weights)
    run.weights.with_suffix(".md").write_text(card(weights), encoding="utf-8")
    _show(evaluation, weights, run)


def _folder(out: Path | None, resume: bool) -> Path:
    if out is None:
        if resume:
            raise click.UsageError("--resume needs --out, the folder of the run to go on with")
        import time

        out = Path("runs") / time.strftime("%Y-%m-%d_%H-%M-%S")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror or error}") from error
    return out


def _predict(
    coco: Path, model: str, split: str | None, folder: Path, device: str, console: Console
) -> list[Path]:
    """Run the estimator over the splits that have pictures; resumable like the rest."""
    from rcnet_rt import predicting

    names = [split] if split else list(splits(coco))
    paths = []
    for part in names:
        path = folder / f"predictions_{part}.json.gz"
        if not path.exists():
            console.print(f"{model} predicts {part} …")
            predicting.predict_split(coco, part, model, path, device=device)
        paths.append(path)
    return paths


def _load(coco: Path, files: list[Path]) -> Data:
    entries: list[Entry] = []
    seen: dict[int, Path] = {}
    for path in files:
        part = read_results(path)
        for image in {entry["image_id"] for entry in part}:
            if image in seen:
                raise DatasetError(
                    f"image {image} is in both {seen[image]} and {path}; give the poses of an "
                    "image once"
                )
            seen[image] = path
        entries += part
    return Data(load_ground_truth(coco, image_ids=seen.keys()), entries)


def _splits(
    data: Data,
    coco: Path,
    folds: int | None,
    fraction: float | None,
    val_split: str | None,
    seed: int,
) -> list[Split]:
    images = list(data.poses)
    if val_split is not None:
        held_out = {i for i in images if data.ground_truth.images[i].split == val_split}
        if not held_out or len(held_out) == len(images):
            raise DatasetError(
                f"--val-split {val_split} holds out {len(held_out)} of {len(images)} images of the "
                f"results; both sides need some. Splits in {coco}: {', '.join(splits(coco))}"
            )
        rest = tuple(sorted(set(images) - held_out))
        return [Split("training", rest, tuple(sorted(held_out)))]
    if fraction is None and folds is None:
        many = len(images) >= MANY_IMAGES
        folds, fraction = (None, DEFAULT_FRACTION) if many else (DEFAULT_FOLDS, None)
    if fraction is not None:
        return [experiment.fraction_split(images, fraction, seed)]
    assert folds is not None
    return experiment.fold_splits(images, folds, seed)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _claim(run: Run, parts: list[Split], resume: bool) -> None:
    """Write down what this run is, or check that it is the one in the folder."""
    path = run.folder / "run.json"
    now = {
        **run.description,
        "held out": {part.name: list(part.held_out) for part in parts},
        "version": __version__,
    }
    now = json.loads(json.dumps(now))
    if resume:
        if not path.exists():
            raise DatasetError(f"{run.folder} holds no run to resume; train without --resume")
        before = json.loads(path.read_text(encoding="utf-8"))
        different = [key for key in now if before.get(key) != now[key]]
        if different:
            raise DatasetError(
                f"the run in {run.folder} was started with other {' and '.join(different)}; "
                "resume it with the same options and files, or train into another folder"
            )
    elif path.exists():
        raise OutputError(
            f"{run.folder} holds a run already; say --resume to go on with it, or another --out"
        )
    else:
        path.write_text(json.dumps(now), encoding="utf-8")


@contextmanager
def _interruptible(run: Run) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo(
            f"Stopped; the finished epochs are kept: add --resume --out {run.folder} to go on.",
            err=True,
        )
        raise


Report = Callable[[experiment.Progress], None]


@contextmanager
def _reporter(run: Run, parts: list[Split], console: Console) -> Iterator[Report]:
    """Show a bar on a terminal, and write one line an epoch to the log."""
    total = run.recipe.epochs * (len(parts) + (len(parts) > 1))
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with (
        open(run.folder / "log.jsonl", "a", encoding="utf-8") as log,
        Progress(*columns, console=console, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("training", total=total)

        def report(progress: experiment.Progress) -> None:
            values = {
                key: None if isinstance(value, float) and math.isnan(value) else value
                for key, value in asdict(progress).items()
            }
            log.write(json.dumps(values) + "\n")
            log.flush()
            text = f"{progress.split}, epoch {progress.epoch}: loss {progress.loss:.4f}"
            if not math.isnan(progress.ap):
                text += f", AP {100 * progress.ap:.2f}, ranking {progress.ranking_accuracy:.3f}"
            bar.update(task, description=text, advance=1)

        yield report


def _train(data: Data, run: Run, parts: list[Split], device: str, report: Report) -> list[Weights]:
    """Return the weights of each split; with several, those of all images come last."""
    if len(parts) > 1:
        parts = [*parts, Split("all images", tuple(sorted(data.poses)), ())]
    return [
        experiment.fit(
            data,
            run.recipe,
            part,
            name=run.name,
            device=device,
            checkpoint=run.checkpoint(part),
            progress=report,
        )
        for part in parts
    ]


def _judge(
    data: Data, run: Run, parts: list[Split], trained: list[Weights]
) -> tuple[Evaluation, Weights]:
    """Evaluate on what was held out, then calibrate the weights that are kept."""
    held_out = experiment.hold_out(data, list(zip(parts, trained, strict=False)), run.recipe.seed)
    entries = [data.entries[index] for index in held_out.entries]
    raw = data.scores[held_out.entries]
    evaluation = compare(
        data.ground_truth,
        entries,
        raw,
        held_out.refined,
        {held_out.formula_name: held_out.formula},
    )
    counted = data.match.weight[held_out.entries] > 0
    oks = data.match.target[held_out.entries]
    scores = {"raw": raw, "refined": held_out.refined, "calibrated": held_out.calibrated}
    errors = {
        name: expected_calibration_error(values[counted], oks[counted])
        for name, values in scores.items()
    }
    kept = experiment.calibrate(data, held_out, trained[-1])
    images = parts[0].training if len(parts) == 1 else held_out.images
    training = record(
        run.recipe,
        evaluation,
        data=list(run.sources),
        held_out=_held_out_in_words(parts),
        images=images,
        calibration_errors=errors,
    )
    return evaluation, replace(kept, training=training)


def _held_out_in_words(parts: list[Split]) -> str:
    if len(parts) > 1:
        return f"every image once, in {len(parts)} folds; the kept network is trained on all"
    (part,) = parts
    return f"{len(part.held_out)} images; the kept network is trained on {len(part.training)}"


def _show(evaluation: Evaluation, weights: Weights, run: Run) -> None:
    console = Console(width=None if Console().is_terminal else 120)
    for table in comparison_table(evaluation):
        console.print(table)
    errors = weights.training["calibration_error"]
    console.print(
        f"Calibration error against OKS: raw {errors['raw']:.3f}, refined {errors['refined']:.3f}, "
        f"calibrated {errors['calibrated']:.3f}."
    )
    thresholds = ", ".join(f"{name} {value:.3f}" for name, value in weights.thresholds.items())
    console.print(f"Thresholds: {thresholds}.")
    console.print(f"Weights: {run.weights}; model card: {run.weights.with_suffix('.md')}")
    if not np.isfinite(evaluation.all_images.gain.low) or evaluation.all_images.gain.low <= 0:
        console.print(
            "The interval of the gain includes 0: on this much data the gain is not certain."
        )
