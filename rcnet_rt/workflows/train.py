"""A training run on disk: which results, how images are held out, what must not change on resuming.

<folder>/run.json               what the run is
<folder>/log.jsonl              a line an epoch
<folder>/curves.png             the same drawn, where matplotlib is installed
<folder>/report/                the report on the held-out images, where asked for
<folder>/tensorboard/           the same as events, where tensorboard is installed
<folder>/checkpoints/           one file a split, rewritten after every epoch
<folder>/<name>.safetensors     the weights
<folder>/<name>.md              their model card
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rcnet_rt.datasets.augment import last_of_each_augmentation
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.files import write_json
from rcnet_rt.datasets.results import Entry, read_results
from rcnet_rt.errors import DatasetError, OutputError
from rcnet_rt.evaluation.compare import Evaluation, compare
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import expected_calibration_error
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training import fit
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.cross_validation import HeldOut, calibrate, hold_out
from rcnet_rt.training.fit import Progress
from rcnet_rt.training.model_card import card, record
from rcnet_rt.training.splits import Split, fold_splits, fraction_split
from rcnet_rt.version import __version__

__all__ = ["HoldOut", "Outcome", "Run", "load_data", "train_run"]

MANY_IMAGES = 5000  # from here on one held-out part is enough, and folds are slow
DEFAULT_FOLDS = 5
DEFAULT_FRACTION = 0.1


@dataclass(frozen=True)
class HoldOut:
    """How images are held out: one of these, or none for what suits the number of images.

    Attributes:
        folds: every image once, in so many parts.
        fraction: this share of the images, once.
        split: the images of this split of the data set.
    """

    folds: int | None = None
    fraction: float | None = None
    split: str | None = None

    def splits(self, data: LabeledResults, seed: int) -> list[Split]:
        """Return the splits of the data's images.

        Raises:
            DatasetError: a side of a split would be empty.
        """
        images = list(data.poses)
        if self.split is not None:
            return [_by_split(data, images, self.split)]
        folds, fraction = self.folds, self.fraction
        if folds is None and fraction is None:
            many = len(images) >= MANY_IMAGES
            folds, fraction = (None, DEFAULT_FRACTION) if many else (DEFAULT_FOLDS, None)
        if fraction is not None:
            return [fraction_split(images, fraction, seed)]
        assert folds is not None
        return fold_splits(images, folds, seed)


def _by_split(data: LabeledResults, images: Sequence[int], name: str) -> Split:
    held_out = {image for image in images if data.ground_truth.images[image].split == name}
    if not 0 < len(held_out) < len(images):
        raise DatasetError(
            f"split {name!r} has {len(held_out)} of the {len(images)} images of the results; both "
            "the held-out side and the training side need some"
        )
    return Split("training", tuple(sorted(set(images) - held_out)), tuple(sorted(held_out)))


@dataclass(frozen=True)
class Run:
    """What a run is; everything in it but the folder must stay the same when it is resumed."""

    folder: Path
    name: str
    recipe: Recipe
    results: Sequence[Path]
    parts: Sequence[Split]
    augmentations: Sequence[Path] = ()
    skeleton: str = COCO17.name

    @property
    def weights(self) -> Path:
        """Where the weights go."""
        return self.folder / f"{self.name}{weights_io.SUFFIX}"

    @property
    def card(self) -> Path:
        """Where the model card goes."""
        return self.weights.with_suffix(".md")

    @property
    def log(self) -> Path:
        """Where each epoch is a line."""
        return self.folder / "log.jsonl"

    @property
    def curves(self) -> Path:
        """Where the epochs are drawn."""
        return self.folder / "curves.png"

    @property
    def report(self) -> Path:
        """Where the report on the held-out images goes."""
        return self.folder / "report"

    @property
    def events(self) -> Path:
        """Where TensorBoard finds the epochs."""
        return self.folder / "tensorboard"

    @property
    def epochs(self) -> int:
        """How many epochs there are over all splits and the network that is kept."""
        return self.recipe.epochs * len(_all_parts(self.parts, []))

    def claim(self, resume: bool) -> None:
        """Write down what this run is, or check that it is the one in the folder.

        Raises:
            OutputError: the folder holds a run, or cannot be written.
            DatasetError: there is no run to resume, or it is another one.
        """
        path, now = self.folder / "run.json", self._description()
        if resume:
            if not path.exists():
                raise DatasetError(f"{self.folder} holds no run to resume; train without --resume")
            before = json.loads(path.read_text(encoding="utf-8"))
            different = [key for key in now if before.get(key) != now[key]]
            if different:
                raise DatasetError(
                    f"the run in {self.folder} was started with other {' and '.join(different)}; "
                    "resume it with the same options and files, or train into another folder"
                )
            return
        if path.exists():
            raise OutputError(
                f"{self.folder} holds a run already; say --resume to go on, or another --out"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot write into {self.folder}: {error.strerror or error}"
            ) from error
        write_json(path, now)  # whole or not at all: a run killed here can be started again

    def _description(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "recipe": asdict(self.recipe),
            "skeleton": self.skeleton,
            "results": [_digest(path) for path in self.results],
            "copies": [_digest(path) for path in self.augmentations],
            "held-out images": [list(part.held_out) for part in self.parts],
            "version": __version__,
        }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What came of a run: the gain on held-out images, the weights, and the held-out scores."""

    evaluation: Evaluation
    weights: Weights
    held_out: HeldOut


def load_data(
    dataset: Dataset, results: Sequence[Path], augmentations: Sequence[Path] = ()
) -> LabeledResults:
    """Read results files, one after the other, with the ground truth of their images.

    `copies` are the results on altered copies of these images; what is in several of these files
    counts as the last one has it, so that some copies may have more signals than others.

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


def train_run(
    run: Run,
    data: LabeledResults,
    *,
    device: str = "cpu",
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Train on every split, judge what was held out, and write the weights and their card.

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
        for part in _all_parts(run.parts, list(data.poses))
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
    run.card.write_text(card(weights), encoding="utf-8")
    return Outcome(evaluation, weights, unseen)


def _all_parts(parts: Sequence[Split], images: Sequence[int]) -> list[Split]:
    return [*parts, *([Split("all images", tuple(sorted(images)), ())] if len(parts) > 1 else [])]


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
