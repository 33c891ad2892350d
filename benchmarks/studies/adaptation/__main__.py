"""`python -m benchmarks.studies.adaptation`: label-free weights beside those of labels.

Both are trained on the same images with the same recipe, the one on self-consistency, the other on
the matched OKS, and judged on images that they were not trained on (5 folds). The results on
augmentations come from `rcnet-rt predict --augmentations` on the images of coco-val.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import torch

from benchmarks.common import data_option, write
from benchmarks.studies.adaptation.report import blocks
from benchmarks.studies.common import out_option, provenance, write_page
from rcnet_rt.cli.named_files import named_file
from rcnet_rt.datasets.augment import poses_by_augmentation
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.results import read_results
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE, expected_calibration_error
from rcnet_rt.evaluation.thresholds import best_f1_threshold
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring.score_reference import ScoreReference
from rcnet_rt.rescoring.weights import DEFAULT_FLOOR, Weights
from rcnet_rt.training.adaptation import (
    PoseTargets,
    adapt_weights,
    consistency_targets,
    fit_targets,
)
from rcnet_rt.training.splits import fold_splits

__all__ = ["main"]

HERE = Path(__file__).resolve().parent
DATASET = "coco-val"
CHOSEN_ON = "yolov8n_640"  # the estimator that the recipe was chosen on
FOLDS, SEED, RESAMPLES = 5, 0, 500
FEW_IMAGES, DRAWS = (50, 100, 200, 400), 3

Floats = npt.NDArray[np.float64]


def load(data: Path, name: str, augmented: Path) -> LabeledResults:
    """Return the results of the images that have augmentations."""
    entries = read_results(data / "predictions" / "val1540" / f"{name}.json.gz")
    others = read_results(augmented)
    images = {entry["image_id"] for entry in entries} & {entry["image_id"] for entry in others}
    truth = Dataset(data / DATASET).ground_truth(image_ids=images)
    kept = [entry for entry in entries if entry["image_id"] in images]
    return LabeledResults(truth, kept, others)


class Arms:
    """The two ways to train on images of one estimator."""

    def __init__(self, results: LabeledResults) -> None:
        self.results = results
        self.skeleton = results.ground_truth.skeleton
        self._augmentations = poses_by_augmentation(results.augmented_entries, self.skeleton)
        self.refusal: str | None = None
        self.baseline = "score"
        try:
            self.baseline = self._adapted(list(results.poses)).baseline
        except DatasetError as error:
            self.refusal = str(error)

    def _adapted(self, images: Collection[int]) -> Weights:
        poses = {image: self.results.poses[image] for image in images}
        return adapt_weights(poses, self._augmentations, self.skeleton, name="label-free")

    def label_free(self, images: Collection[int]) -> Weights:
        """Train on self-consistency; where `adapt` refuses, as it would without the refusal."""
        if self.refusal is None:
            return self._adapted(images)
        poses = {image: self.results.poses[image] for image in images}
        targets = consistency_targets(poses, self._augmentations, self.skeleton)
        return fit_targets(targets, self.skeleton, name="label-free", baseline=self.baseline)

    def labeled(self, images: Collection[int]) -> Weights:
        """Train on the matched OKS."""
        match = self.results.match
        targets = []
        for image in images:
            item = self.results.poses[image]
            oks = match.target[item.entries]
            targets.append(PoseTargets(item, oks, oks, match.weight[item.entries]))
        return fit_targets(targets, self.skeleton, name="labeled", baseline=self.baseline)


def scored(
    results: LabeledResults,
    weights: str | Weights,
    images: Collection[int],
    reference: ScoreReference | None = None,
) -> Floats:
    """Return (E,) refined scores of the entries of some images, 0 for all others."""
    items = [results.poses[image] for image in images]
    poses = Refiner(weights, backend="torch").batch([i.poses for i in items], reference=reference)
    refined = np.zeros(len(results.entries))
    for item, after in zip(items, poses, strict=True):
        refined[item.entries] = after.scores
    return refined


def f1(kept: npt.NDArray[np.bool_], results: LabeledResults) -> float:
    """Return the F1 of the entries that are kept, in [0, 1]."""
    counted = results.match.weight > 0
    right = int((kept & counted & (results.match.target >= TRUE_POSITIVE)).sum())
    return 2 * right / (int((kept & counted).sum()) + people(results, results.poses))


def people(results: LabeledResults, images: Collection[int]) -> int:
    """Return how many people count on some images."""
    return sum(int((~results.ground_truth.persons[image].ignore).sum()) for image in images)


def compare(arms: Arms) -> dict[str, Any]:
    """Return the gains on held-out images, calibration errors, and F1 at thresholds."""
    results = arms.results
    free, labeled = np.zeros((2, len(results.entries)))
    kept_free, kept_labeled = np.zeros((2, len(results.entries)), dtype=bool)
    counted = results.match.weight > 0
    for split in fold_splits(list(results.poses), FOLDS, SEED):
        held_out = np.isin([entry["image_id"] for entry in results.entries], split.held_out)
        weights = arms.label_free(split.training)
        refined = scored(results, weights, results.poses)
        free[held_out] = refined[held_out]
        kept_free |= held_out & (refined >= weights.threshold("auto"))
        seen = ~held_out & counted
        best = best_f1_threshold(
            refined[seen], results.match.target[seen], people(results, split.training)
        )
        assert best is not None
        kept_labeled |= held_out & (refined >= best.threshold)
        labeled += scored(results, arms.labeled(split.training), split.held_out)
    generic = scored(results, "generic", results.poses, results.score_reference)
    scores = {
        "raw": results.scores,
        "generic": generic,
        "label-free": free,
        "labeled": labeled,
    }
    return {
        "refused": arms.refusal,
        "images": len(results.poses),
        "augmentations": len({str(e["copy"]["number"]) for e in results.augmented_entries}),
        "baseline": arms.baseline,
        "raw_ap": 100 * results.average_precision.ap(results.scores),
        "gains": {
            name: gain(results, values)
            for name, values in {
                **scores,
                "baseline": results.baseline_values(arms.baseline),
            }.items()
            if name != "raw"
        },
        "ece": {name: calibration_error(results, values) for name, values in scores.items()},
        "f1": {
            "auto": 100 * f1(kept_free, results),
            "threshold_of_labels": 100 * f1(kept_labeled, results),
        },
    }


def gain(results: LabeledResults, scores: Floats) -> dict[str, float]:
    """Return the gain in AP over the raw scores with its interval, in points."""
    found = results.average_precision.bootstrap(results.scores, scores, RESAMPLES)
    parts = {"difference": found.difference, "low": found.low, "high": found.high}
    return {name: 100 * value for name, value in parts.items()}


def calibration_error(results: LabeledResults, scores: Floats) -> float:
    """Return the expected calibration error of the poses that are re-scored."""
    counted = (results.match.weight > 0) & (results.scores >= DEFAULT_FLOOR)
    return expected_calibration_error(scores[counted], results.match.target[counted])


def by_number(arms: Arms) -> list[dict[str, Any]]:
    """Return the label-free gain of few images, on all others, mean over some draws."""
    results, images = arms.results, list(arms.results.poses)
    rows = []
    for number in FEW_IMAGES:
        gains = []
        for seed in range(DRAWS):
            order = np.random.default_rng(seed).permutation(images)
            others = order[number:].tolist()
            refined = scored(results, arms.label_free(order[:number].tolist()), others)
            ap = results.average_precision
            gains.append(100 * (ap.ap(refined, others) - ap.ap(results.scores, others)))
        rows.append({"images": number, "gain": float(np.mean(gains)), "worst": min(gains)})
    return rows


@click.command()
@data_option
@out_option(HERE)
@click.option(
    "--augmented",
    multiple=True,
    required=True,
    type=named_file,
    metavar="NAME=FILE",
    help="Results on augmentations of an estimator of predictions/val1540; repeat for several.",
)
def main(data: Path, out: Path, augmented: tuple[tuple[str, Path], ...]) -> None:
    """Compare label-free with labeled weights; write results.json and RESULTS.md.

    Estimators that results.json has already, and that are not named, stay in it.
    """
    torch.set_num_threads(1)
    path = out / "results.json"
    known = json.loads(path.read_text("utf-8")) if path.exists() else {"estimators": {}}
    rows: dict[str, dict[str, Any]] = known["estimators"]
    out.mkdir(parents=True, exist_ok=True)
    for name, file in augmented:
        start = time.monotonic()
        arms = Arms(load(data, name, file))
        rows[name] = {"recipe_chosen_on_it": name == CHOSEN_ON, **compare(arms)}
        if arms.refusal is None:
            rows[name]["by_number"] = by_number(arms)
        rows[name]["seconds"] = round(time.monotonic() - start)
        click.echo(f"{name}: {rows[name]}")
        command = "python -m benchmarks.studies.adaptation --augmented NAME=FILE"
        made = provenance(command, sum(row["seconds"] for row in rows.values()))
        results = {"estimators": rows, "criterion": criterion(rows), "made": made}
        write(results, path)
        write_page(out, blocks(results))


def criterion(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the share of the labeled gain, summed over those that gain more than 0.5 by labels.

    An estimator that `adapt` refuses keeps its raw scores, and gains 0.
    """
    labeled = {name: row["gains"]["labeled"]["difference"] for name, row in rows.items()}
    tried = {name: row["gains"]["label-free"]["difference"] for name, row in rows.items()}
    kept = {name: 0.0 if rows[name]["refused"] else value for name, value in tried.items()}
    summed = [name for name, value in labeled.items() if value > 0.5]
    total = sum(labeled[name] for name in summed)
    return {
        "labeled": total,
        "share": sum(kept[name] for name in summed) / total,
        "worst": min(kept.values()),
        "share_without_refusal": sum(tried[name] for name in summed) / total,
        "worst_without_refusal": min(tried.values()),
    }


if __name__ == "__main__":
    main()
