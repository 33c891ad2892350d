"""A training run on disk: its files, how images are held out, and what must stay on resuming.

<folder>/run.json               what the run is
<folder>/log.jsonl              a line an epoch
<folder>/curves.png             the same drawn, where matplotlib is installed
<folder>/report/                the report on the held-out images, where asked for; of several
                                estimators report/<estimator>/
<folder>/tensorboard/           the same as events, where tensorboard is installed
<folder>/checkpoints/           one file a split, rewritten after every epoch
<folder>/<name>.safetensors     the weights
<folder>/<name>.md              their model card
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rcnet_rt.datasets.files import write_json
from rcnet_rt.errors import DatasetError, OutputError, WeightsError
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring import weights_io
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.splits import Split, fold_splits, fraction_split
from rcnet_rt.version import __version__
from rcnet_rt.workflows.training_data import UNNAMED, EstimatorFiles

__all__ = ["DEFAULT_FRACTION", "HoldOut", "Run", "is_run"]

MANY_IMAGES = 5000  # from here on one held-out part is enough, and folds are slow
DEFAULT_FOLDS = 5
DEFAULT_FRACTION = 0.1


@dataclass(frozen=True)
class HoldOut:
    """How images are held out: one of these, or none for what suits the number of images.

    Attributes:
        folds: number of parts; every image is held out once.
        fraction: share of the images that is held out once.
        split: name of the split of the data set whose images are held out.

    Raises:
        DatasetError: several of them are given.
    """

    folds: int | None = None
    fraction: float | None = None
    split: str | None = None

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.folds, self.fraction, self.split)) > 1:
            raise DatasetError(
                "images can be held out in one way only; give one of folds, val_fraction and "
                "val_split"
            )

    def splits(self, estimators: Collection[LabeledResults], seed: int) -> list[Split]:
        """Return the splits of the images of all estimators: each is held out for all at once.

        Raises:
            DatasetError: a side of a split would be empty.
        """
        split_of = {
            image: data.ground_truth.images[image].split
            for data in estimators
            for image in data.poses
        }
        images = list(split_of)
        if self.split is not None:
            return [_by_split(split_of, self.split)]
        folds, fraction = self.folds, self.fraction
        if folds is None and fraction is None:
            many = len(images) >= MANY_IMAGES
            folds, fraction = (None, DEFAULT_FRACTION) if many else (DEFAULT_FOLDS, None)
        if fraction is not None:
            return [fraction_split(images, fraction, seed)]
        assert folds is not None
        return fold_splits(images, folds, seed)


def _by_split(split_of: Mapping[int, str], name: str) -> Split:
    held_out = {image for image, split in split_of.items() if split == name}
    if not 0 < len(held_out) < len(split_of):
        raise DatasetError(
            f"split {name!r} has {len(held_out)} of the {len(split_of)} images of the results; "
            "both the held-out side and the training side need some"
        )
    return Split("training", tuple(sorted(split_of.keys() - held_out)), tuple(sorted(held_out)))


@dataclass(frozen=True)
class Run:
    """What a run is; all but the folder must stay the same when it is resumed.

    Attributes:
        folder: of all its files.
        name: of the weights.
        recipe: how the networks are trained.
        estimators: the files of each estimator.
        parts: the splits into training and held-out images.
        skeleton: name of the skeleton.
        joints: whether the weights get a joint head.

    Raises:
        WeightsError: the name is no file name.
    """

    folder: Path
    name: str
    recipe: Recipe
    estimators: Sequence[EstimatorFiles]
    parts: Sequence[Split]
    skeleton: str = COCO17.name
    joints: bool = True

    def __post_init__(self) -> None:
        if self.name in ("", ".", "..") or Path(self.name).name != self.name:
            raise WeightsError(f"the weights' name {self.name!r} is no file name; choose another")

    @property
    def weights(self) -> Path:
        """Path of the weights."""
        return self.folder / f"{self.name}{weights_io.SUFFIX}"

    @property
    def card(self) -> Path:
        """Path of the model card."""
        return self.weights.with_suffix(".md")

    @property
    def log(self) -> Path:
        """Path of the log, a line an epoch."""
        return self.folder / "log.jsonl"

    @property
    def curves(self) -> Path:
        """Path of the training curves."""
        return self.folder / "curves.png"

    def report_folder(self, estimator: str) -> Path:
        """Folder of the report on the held-out images: of several estimators, one each."""
        folder = self.folder / "report"
        return folder / (estimator or "unnamed") if len(self.estimators) > 1 else folder

    @property
    def events(self) -> Path:
        """Folder of TensorBoard's events."""
        return self.folder / "tensorboard"

    def checkpoint(self, split: str) -> Path:
        """Path of the checkpoint of the training on a split."""
        return self.folder / "checkpoints" / f"{split.replace(' ', '-')}.safetensors"

    def trainings(self) -> list[Split]:
        """Return what is trained on: each split and, if there are several, then all images."""
        images = {image for part in self.parts for image in (*part.training, *part.held_out)}
        everything = Split("all images", tuple(sorted(images)), ())
        return [*self.parts, *([everything] if len(self.parts) > 1 else [])]

    @contextmanager
    def claimed(self, resume: bool) -> Iterator[None]:
        """Write `run.json`, or check that the folder holds this run; then train in the block.

        A run that fails before an epoch is finished leaves nothing: it can be started again.

        Raises:
            OutputError: the folder holds a run, or cannot be written.
            DatasetError: there is no run to resume, or it is another one.
        """
        is_new_folder = not self.folder.exists()
        self._claim(resume)
        try:
            yield
        except Exception:
            if not resume and not (self.log.exists() and self.log.stat().st_size):
                self._withdraw(is_new_folder)
            raise

    def _withdraw(self, is_new_folder: bool) -> None:
        """Remove what a run has written before its first epoch was finished."""
        for file in (_run_file(self.folder), self.log):
            file.unlink(missing_ok=True)
        for folder in (self.events, self.checkpoint("").parent):
            shutil.rmtree(folder, ignore_errors=True)
        if is_new_folder:
            with contextlib.suppress(OSError):  # --model has predicted into it before
                self.folder.rmdir()

    def _claim(self, resume: bool) -> None:
        path, now = _run_file(self.folder), self._description()
        if resume:
            if not path.exists():
                raise DatasetError(f"{self.folder} holds no run to resume; train without --resume")
            before = json.loads(path.read_text(encoding="utf-8"))
            keys = dict.fromkeys([*now, *before])
            different = [key for key in keys if before.get(key) != now.get(key)]
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
        named = {files.name: _describe(files) for files in self.estimators}
        unnamed = named.pop(UNNAMED, {"results": [], "copies": []})
        return {
            "name": self.name,
            "recipe": json.loads(json.dumps(asdict(self.recipe))),  # as it is read again
            "skeleton": self.skeleton,
            **unnamed,
            **({"estimators": named} if named else {}),
            **({} if self.joints else {"joints": False}),
            "held-out images": [list(part.held_out) for part in self.parts],
            "version": __version__,
        }


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a run, which can be resumed."""
    return _run_file(folder).exists()


def _run_file(folder: Path) -> Path:
    return folder / "run.json"


def _describe(files: EstimatorFiles) -> dict[str, Any]:
    return {
        "results": [_digest(path) for path in files.results],
        "copies": [_digest(path) for path in files.augmentations],
        **({"left out": True} if files.is_left_out else {}),
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
