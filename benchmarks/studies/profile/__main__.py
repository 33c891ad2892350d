"""`python -m benchmarks.studies.profile`: precision without labels against the true one.

The 860 images with pictures are shifted as a whole: blurred, dark, small, … Each is scored by a
network that saw neither it nor an augmentation of it in training (the folds of `tools.group_weights
yolo-pose`). P(correct | score) is fitted on unshifted images of four estimators, on the half of the
images that is not judged; both halves together are the camera.

How much of a change in scores is taken for label shift was chosen on `CHOSEN_ON`; the findings are
on `REPORTED`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from benchmarks.common import data_option, write
from benchmarks.studies.common import out_option, provenance, write_page
from benchmarks.studies.profile.predictions import shifted_results
from benchmarks.studies.profile.report import blocks
from benchmarks.studies.profile.shifts import CHOSEN_ON, REPORTED
from rcnet_rt.evaluation.guarantees import ScoredImages
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.monitoring.estimates import Curve, estimate_curve, score_histogram
from rcnet_rt.rescoring.correct_probability import CorrectProbability
from rcnet_rt.rescoring.weights_io import find
from rcnet_rt.training.correct_probability import fit_correct_probability, reported_poses
from rcnet_rt.training.cross_validation import HeldOut, hold_out_each
from tools.group_weights import GROUPS
from tools.trained_groups import folds_of, load_group

__all__ = ["Camera", "errors", "main"]

HERE = Path(__file__).resolve().parent
MODEL = "models/yolov8n-pose_int8_openvino_model"
WEIGHTS = "yolo-pose"
LABEL_SHIFT = {"plain calibration": 0.0, "halfway": 0.5, "label shift": 1.0}
SHIPPED = "halfway"  # what `rcnet-rt profile` does
RANGE = 0.5, 0.97  # true precision between which estimates are judged
MIN_KEPT = 50  # poses: fewer have no precision to speak of
CAMERA_IMAGES, CAMERAS = 200, 10  # for the intervals: of each half
AT = (0.3, 0.5, 0.7)  # thresholds at which intervals are judged
MIN_PRECISION = 0.9

Floats = npt.NDArray[np.float64]
Labeled = tuple[LabeledResults, HeldOut]


class Camera:
    """The shifted images of one half, with P(correct | score) from the other half.

    Args:
        images: scores and matched OKS.
        learned: from the other half.
    """

    def __init__(self, images: ScoredImages, learned: CorrectProbability) -> None:
        self.images, self.learned = images, learned
        self.kept = _from(score_histogram(images.scores))
        self.correct = _from(score_histogram(images.scores[images.oks >= TRUE_POSITIVE]))
        self.people = int(images.people.sum())

    def curve(self, label_shift: float) -> Curve:
        """Return the estimates, each image a block."""
        count = len(self.images.people)
        histograms = [
            score_histogram(scores) for scores in np.split(*_by_image(self.images, count))
        ]
        return estimate_curve(histograms, count, self.learned, label_shift=label_shift)

    def part(self, chosen: npt.NDArray[np.int64]) -> Camera:
        """Return some of the images."""
        return Camera(self.images.take(chosen), self.learned)


def _by_image(images: ScoredImages, count: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    order = np.argsort(images.image, kind="stable")
    return images.scores[order], np.cumsum(np.bincount(images.image, minlength=count))[:-1]


def _from(histogram: Floats) -> Floats:
    """Return (T,) how many poses have each threshold or a higher score."""
    return np.cumsum(histogram[::-1])[::-1]


def errors(cameras: Sequence[Camera], curves: Sequence[Curve]) -> dict[str, float]:
    """Return estimated minus true figures of halves together, in points.

    Over the thresholds whose true precision is in `RANGE`: the precision error that is largest in
    size and the mean size, the same of recall.
    """
    kept, correct = (sum(getattr(each, name) for each in cameras) for name in ("kept", "correct"))
    people = sum(each.people for each in cameras)
    both = list(zip(curves, cameras, strict=True))
    expected = sum(np.nan_to_num(curve.precision.value) * each.kept for curve, each in both)
    found = sum(np.nan_to_num(curve.recall.value) * each.people for curve, each in both)
    true = correct / np.maximum(kept, 1)
    judged = (kept >= MIN_KEPT) & (true >= RANGE[0]) & (true <= RANGE[1])
    precision = 100 * (expected / np.maximum(kept, 1) - true)[judged]
    recall = 100 * (found - correct)[judged] / people
    return {
        "precision_largest": float(precision[np.abs(precision).argmax()]),
        "precision_mean": float(np.abs(precision).mean()),
        "recall_largest": float(recall[np.abs(recall).argmax()]),
        "recall_mean": float(np.abs(recall).mean()),
    }


def intervals(cameras: Sequence[Camera]) -> dict[str, float]:
    """Return how often intervals hold the true figures of all images of the shift.

    Cameras of `CAMERA_IMAGES` images are drawn from each half.
    """
    kept, correct = (sum(getattr(each, name) for each in cameras) for name in ("kept", "correct"))
    truth = {
        "precision": correct / np.maximum(kept, 1),
        "recall": correct / sum(each.people for each in cameras),
    }
    inside: dict[str, list[bool]] = {name: [] for name in truth}
    width: dict[str, list[float]] = {name: [] for name in truth}
    random = np.random.default_rng(0)
    for camera in cameras:
        for _ in range(CAMERAS):
            drawn = random.permutation(len(camera.images.people))[:CAMERA_IMAGES]
            curve = camera.part(drawn).curve(LABEL_SHIFT[SHIPPED])
            for name, values in truth.items():
                figure = getattr(curve, name)
                for at in (int(np.abs(curve.thresholds - t).argmin()) for t in AT):
                    inside[name].append(bool(figure.low[at] <= values[at] <= figure.high[at]))
                    width[name].append(float(figure.high[at] - figure.low[at]))
    return {
        **{f"{name}_inside": float(np.mean(inside[name])) for name in truth},
        **{f"{name}_width": 100 * float(np.mean(width[name])) for name in truth},
    }


def chosen_thresholds(cameras: Sequence[Camera], auto: float, p95: float) -> dict[str, Any]:
    """Return what the thresholds of a profile do, beside those of the weights; means of halves."""
    rows: dict[str, list[float]] = {}
    for camera in cameras:
        curve = camera.curve(LABEL_SHIFT[SHIPPED])
        f1 = 2 * camera.correct / (camera.kept + camera.people)
        precision = camera.correct / np.maximum(camera.kept, 1)
        recall = camera.correct / camera.people
        precise = curve.lowest_precise(MIN_PRECISION)
        enough = recall[precision >= MIN_PRECISION]
        weights_auto, weights_p95 = (
            int(np.abs(curve.thresholds - each).argmin()) for each in (auto, p95)
        )
        figures = {
            "f1_profile": f1[curve.best_f1()],
            "f1_auto": f1[weights_auto],
            "f1_best": f1.max(),
            "precision_profile": np.nan if precise is None else precision[precise],
            "recall_profile": np.nan if precise is None else recall[precise],
            "recall_best": enough.max(initial=0.0),
            "precision_p95": precision[weights_p95],
        }
        for name, value in figures.items():
            rows.setdefault(name, []).append(float(value))
    means = {name: float(np.mean(values)) for name, values in rows.items()}
    return {name: None if np.isnan(value) else value for name, value in means.items()}


def cameras_of(
    shifted: Mapping[str, Labeled], estimators: Sequence[Labeled], floor: float
) -> Iterator[tuple[str, list[Camera]]]:
    """Yield each shift as two cameras, one for each half of the images."""
    images = sorted({image for _, held_out in estimators for image in held_out.images})
    half = np.random.default_rng(1).permutation(np.arange(len(images)) % 2)
    halves = [[i for i, h in zip(images, half, strict=True) if h == number] for number in (0, 1)]
    learned = [
        fit_correct_probability([_part(each, other, floor) for each in estimators])
        for other in reversed(halves)
    ]
    for name, each in shifted.items():
        known = each[0].ground_truth.images
        parts = [[image for image in some if image in known] for some in halves]
        yield (
            name,
            [
                Camera(_part(each, some, floor), probability)
                for some, probability in zip(parts, learned, strict=True)
                if probability is not None
            ],
        )


def _part(labeled: Labeled, images: Sequence[int], floor: float) -> ScoredImages:
    data, held_out = labeled
    chosen = set(images)
    here = np.array([data.entries[entry]["image_id"] in chosen for entry in held_out.entries])
    return reported_poses(data, held_out.entries[here], held_out.calibrated[here], images, floor)


@click.command()
@data_option
@out_option(HERE)
@click.option("--signals", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option(
    "--shifted", type=click.Path(path_type=Path), default=Path("runs/shifted"), show_default=True
)
def main(data: Path, out: Path, signals: Path, runs: Path, shifted: Path) -> None:
    """Compare estimated with true precision on shifted images; write results.json and RESULTS.md.

    --signals and --runs are those of `tools.group_weights`; --shifted keeps the poses.
    """
    start = time.monotonic()
    weights = find(WEIGHTS)
    estimators = load_group(data, WEIGHTS, signals, runs)
    plain = replace(weights, calibration=None)
    parts = folds_of(runs / WEIGHTS, plain, estimators, GROUPS[WEIGHTS].recipe)
    results = dict(shifted_results(data, data / MODEL, shifted, weights.floor))
    held_out = hold_out_each({**estimators, **results}, parts, results.keys())
    found: dict[str, Any] = {"errors": [], "intervals": [], "thresholds": []}
    for name, cameras in cameras_of(
        {name: (each, held_out[name]) for name, each in results.items()},
        [(each, held_out[name]) for name, each in estimators.items()],
        weights.floor,
    ):
        role = "chosen on" if name in CHOSEN_ON else "reported"
        for method, share in LABEL_SHIFT.items():
            curves = [camera.curve(share) for camera in cameras]
            row = {"shift": name, "role": role, "method": method, **errors(cameras, curves)}
            found["errors"].append(row)
            click.echo(row)
        found["intervals"].append({"shift": name, "role": role, **intervals(cameras)})
        two = (weights.threshold("auto"), weights.threshold("p95"))
        found["thresholds"].append({"shift": name, **chosen_thresholds(cameras, *two)})
        click.echo(found["intervals"][-1])
        click.echo(found["thresholds"][-1])
    found["images"] = {
        name: len(each.ground_truth.images) for name, each in results.items() if name in REPORTED
    }
    found["made"] = provenance("python -m benchmarks.studies.profile", time.monotonic() - start)
    write(found, out / "results.json")
    write_page(out, blocks(found))


if __name__ == "__main__":
    main()
