"""What refining a results file is worth against a data set's annotations."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.datasets.files import write_json
from rcnet_rt.datasets.results import ImagePoses, read_results
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.compare import Comparison, Evaluation, compare
from rcnet_rt.evaluation.joint_figures import ConfidenceFigures, JointFigures, joint_figures
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.evaluation.thresholds import FALSE_POSITIVES, PRECISION, RECALL, Requirement
from rcnet_rt.files.writing import check_output_file
from rcnet_rt.report.folder import check_folder
from rcnet_rt.report.page import Subject, write_report
from rcnet_rt.report.png import require_packages
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.version import __version__
from rcnet_rt.workflows.dataset import as_dataset
from rcnet_rt.workflows.requirements import (
    RequirementResult,
    requirement_results,
    requirements_json,
)
from rcnet_rt.workflows.rescore import load_refiner, refine_entries, scores_of_images

__all__ = ["EvaluationResult", "evaluate", "evaluation_json"]


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """The figures of a results file before and after refining.

    Attributes:
        results: the file.
        weights: what refined the scores.
        backend: name of what ran them.
        images: number of images with poses and annotations.
        images_left_out: number of images with poses and without annotations.
        trained_on: ids of the images that the weights name as those they were trained on.
        evaluation: over all images.
        unseen: over the images that were not trained on; None where none or all were.
        joints: of the joints, over the unseen images where there are such; None where the weights
            have no joint head and the results no joint estimates.
        thresholds: of the raw and of the refined scores for each requirement, over the unseen
            images where there are such.
    """

    results: Path
    weights: Weights
    backend: str
    images: int
    images_left_out: int
    trained_on: frozenset[int]
    evaluation: Evaluation
    unseen: Evaluation | None
    joints: JointFigures | None
    thresholds: tuple[RequirementResult, ...]


def evaluate(
    results: str | PathLike[str],
    dataset: Dataset | str | PathLike[str],
    weights: str | Weights = "auto",
    *,
    split: str | None = None,
    all_images: bool = False,
    min_precision: float | None = None,
    min_recall: float | None = None,
    max_fp_per_image: float | None = None,
    at_oks: float = TRUE_POSITIVE,
    assurance: float | None = None,
    json: str | PathLike[str] | None = None,
    report: str | PathLike[str] | None = None,
    device: str = "auto",
    backend: str = "auto",
) -> EvaluationResult:
    """Compare the scores of a COCO results file before and after refining.

    Where the weights were trained on some of the images, the report and the thresholds are over
    the others.

    Args:
        results: COCO results, plain or gzipped.
        dataset: a COCO folder, or a `Dataset`.
        weights: as for `Refiner`.
        split: of the data set; None finds it by the image ids.
        all_images: count the images of the split that have no pose too.
        min_precision: find the threshold that reaches it.
        min_recall: find the threshold that reaches it.
        max_fp_per_image: find the threshold with no more false positives per image.
        at_oks: OKS from which a pose is a true positive, for these thresholds.
        assurance: also find the thresholds that keep them on new images with this probability, in
            (0, 1), see `evaluation.guarantees`.
        json: file for all figures.
        report: folder for a page with tables, curves and images.
        device: "auto", "cpu", "cuda", …
        backend: as for `Refiner`.

    Raises:
        DatasetError: a file is missing or damaged, or no image has poses and annotations;
            or `assurance` is not in (0, 1).
        WeightsError: unknown or damaged weights, or made for another skeleton or other scores.
        BackendError: a backend that is unknown or does not suit the device.
        OutputError: `json` or `report` cannot be written, or a package for reports is missing.
    """
    if assurance is not None and not 0 < assurance < 1:
        raise DatasetError(f"assurance must be in (0, 1), got {assurance}: give 0.95 for 95 %")
    results, dataset = Path(results), as_dataset(dataset)
    figures, folder = (None if path is None else Path(path) for path in (json, report))
    _check_outputs(figures, folder)
    refiner = load_refiner(weights, device, backend)
    data = _labeled_results(results, dataset, split, all_images)
    images = refine_entries(data.entries, refiner)
    refined = scores_of_images(images)
    seen = frozenset(data.poses).intersection(refiner.weights.training.get("images") or ())
    judged = _unseen(data, seen)
    evaluation = _compare(data, refined)
    unseen = None if judged is data else _compare(judged, refined)
    asked = {PRECISION: min_precision, RECALL: min_recall, FALSE_POSITIVES: max_fp_per_image}
    requirements = [
        Requirement(figure, value, at_oks) for figure, value in asked.items() if value is not None
    ]
    result = EvaluationResult(
        results=results,
        weights=refiner.weights,
        backend=refiner.backend_name,
        images=len(data.poses),
        images_left_out=len({entry["image_id"] for entry in data.entries}) - len(data.poses),
        trained_on=seen,
        evaluation=evaluation,
        unseen=unseen,
        joints=_joints(judged, images, refiner.weights.floor),
        thresholds=tuple(requirement_results(requirements, judged, refined, assurance)),
    )
    if figures is not None:
        write_json(figures, _record(result))
    if folder is not None:
        _write_report(folder, result, judged, refined, dataset)
    return result


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return all figures as JSON has them: in [0, 1], None where one does not exist."""
    complete = evaluation.complete_images
    return {
        "all_images": _comparison_json(evaluation.all_images),
        "complete_images": None if complete is None else _comparison_json(complete),
    }


def _check_outputs(json: Path | None, report: Path | None) -> None:
    """Fail before the work, not after it, where something cannot be written."""
    if json is not None:
        check_output_file(json)
    if report is not None:
        require_packages()
        check_folder(report)


def _labeled_results(
    path: Path, dataset: Dataset, split: str | None, all_images: bool
) -> LabeledResults:
    """Read results with the ground truth of their images, or of all images of the split."""
    entries = read_results(path)
    if not entries:
        raise DatasetError(f"{path} holds no poses; there is nothing to judge")
    images = {entry["image_id"] for entry in entries}
    return LabeledResults(dataset.ground_truth(split, None if all_images else images), entries)


def _unseen(data: LabeledResults, seen: Collection[int]) -> LabeledResults:
    """Return the part that was not trained on; the data itself where none or all of it was."""
    unseen = data.ground_truth.images.keys() - seen
    if not seen or unseen.isdisjoint(data.poses):
        return data
    return LabeledResults(data.ground_truth.subset(unseen), data.entries)


def _compare(data: LabeledResults, refined: npt.NDArray[np.float64]) -> Evaluation:
    """Compare raw and refined scores, and those of the baseline that is best on these images."""
    best = data.best_baseline(tuple(data.poses))
    baselines = {best: data.baseline_values(best)}
    truth = data.ground_truth
    return compare(truth, data.entries, data.scores, refined, baselines, images=truth.images)


def _joints(
    data: LabeledResults, refined: Sequence[ImagePoses], floor: float
) -> JointFigures | None:
    judged = [item for item in refined if item.image_id in data.poses]
    return joint_figures(data.ground_truth, judged, data.match, floor)


def _write_report(
    folder: Path,
    result: EvaluationResult,
    data: LabeledResults,
    refined: npt.NDArray[np.float64],
    dataset: Dataset,
) -> None:
    shown = result.unseen or result.evaluation
    baselines = {name: data.baseline_values(name) for name in shown.all_images.baselines}
    subject = Subject(
        result.results.name,
        result.weights,
        result.backend,
        result.images,
        len(result.trained_on),
    )
    write_report(folder, subject, data, refined, shown, baselines, dataset, result.joints)


def _record(result: EvaluationResult) -> dict[str, Any]:
    return {
        "rcnet_rt": __version__,
        "results": str(result.results),
        "weights": result.weights.name,
        "backend": result.backend,
        "images_trained_on": len(result.trained_on),
        **evaluation_json(result.evaluation),
        "images_not_trained_on": None if result.unseen is None else evaluation_json(result.unseen),
        "joints": None if result.joints is None else _joints_json(result.joints),
        "thresholds": requirements_json(result.thresholds),
    }


def _joints_json(figures: JointFigures) -> dict[str, Any]:
    """Return figures of joints, those of each in the order of the names."""
    sides = {"raw": figures.raw, "calibrated": figures.calibrated}
    return {
        "names": list(figures.joints),
        "poses": figures.poses,
        **{name: None if side is None else _confidence_json(side) for name, side in sides.items()},
        "coverage": None if figures.coverage is None else _without_nan(asdict(figures.coverage)),
    }


def _confidence_json(figures: ConfidenceFigures) -> dict[str, Any]:
    names = ("error", "brier", "annotated_error", "annotated_brier")
    return {name: _without_nan(getattr(figures, name).tolist()) for name in names}


def _comparison_json(comparison: Comparison) -> dict[str, Any]:
    figures = {**asdict(comparison), "headroom_closed": comparison.headroom_closed}
    return {name: _without_nan(value) for name, value in figures.items()}


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
