"""What comes of a training: weights, their card, and the gain on held-out images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rcnet_rt.datasets.files import write_bytes
from rcnet_rt.errors import DatasetError
from rcnet_rt.evaluation.compare import Evaluation, compare
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.score_convention import ScoreConvention
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.cross_validation import (
    HeldOut,
    calibrate_on,
    calibration_errors,
    hold_out_each,
)
from rcnet_rt.training.examples import Examples
from rcnet_rt.training.joint_judging import add_joint_head
from rcnet_rt.training.joint_training import JointRecipe
from rcnet_rt.training.model_card import JudgedEstimator, card, record, record_estimators
from rcnet_rt.training.splits import Split
from rcnet_rt.workflows.training_data import UNNAMED, EstimatorFiles
from rcnet_rt.workflows.training_run import Run

__all__ = ["TrainedEstimator", "TrainingResult", "judge"]


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
        report_pages: page of the report on the held-out images by name of the estimator; empty if
            none was asked for.
    """

    estimators: Mapping[str, TrainedEstimator]
    weights: Weights
    weights_file: Path
    card_file: Path
    report_pages: Mapping[str, Path]

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


def judge(
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
    figures = _record(run, data, examples, estimators)
    weights = replace(weights, training={**weights.training, **figures})
    if run.joints:
        weights = add_joint_head(weights, parts, data, JointRecipe(), left_out)
    weights_io.save(weights, run.weights)
    write_bytes(run.card, card(weights).encode())
    return TrainingResult(estimators, weights, run.weights, run.card, {})


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
