"""The report of a training run on its held-out images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.compare import compare
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.report.page import Subject, write_report
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.cross_validation import HeldOut

__all__ = ["write_held_out_report"]

NOTE = (
    "Every image here was held out: it was scored by a network that was not trained on it, and its "
    "scores were calibrated on the other half of the images. The AP in the model card is of the "
    "scores before calibration, which may create ties."
)
CHOICE = "on the training images"


def write_held_out_report(
    folder: Path,
    data: LabeledResults,
    held_out: HeldOut,
    weights: Weights,
    dataset: Dataset,
    resamples: int = 1000,
) -> None:
    """Write the report of held-out scores into a folder, atomically.

    Args:
        folder: new, empty, or with an earlier report.
        data: the training data.
        held_out: scores of its held-out images.
        weights: the trained weights.
        dataset: the dataset with the image files.
        resamples: of the bootstrap.

    Raises:
        OutputError: a package is missing, or the folder is not free or cannot be written.
    """
    truth = data.ground_truth.subset(held_out.images)
    refined, baseline = np.zeros(len(data.entries)), np.full(len(data.entries), -1.0)
    refined[held_out.entries] = held_out.calibrated
    baseline[held_out.entries] = held_out.baseline
    baselines = {held_out.baseline_name: baseline}
    evaluation = compare(truth, data.entries, data.scores, refined, baselines, resamples)
    results = f"{len(held_out.images):,} held-out images"
    subject = Subject(results, weights, "torch", len(held_out.images), 0, NOTE, CHOICE)
    chosen = LabeledResults(truth, data.entries)
    write_report(
        folder, subject, chosen, refined, evaluation, baselines, dataset, resamples=resamples
    )
