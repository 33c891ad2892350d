"""What is said of a score vector beside its AP: ranking, calibration, risk and coverage."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from benchmarks.studies.accuracy.settled import floor_of
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import (
    TRUE_POSITIVE,
    ause_oks,
    expected_calibration_error,
    misranked_false_positives,
    pearson,
    ranking_accuracy,
    sparsification,
)
from rcnet_rt.rescoring import calibration

__all__ = ["Figures", "figures"]

Floats = npt.NDArray[np.float64]
Figures = dict[str, float]


def figures(data: LabeledResults, scores: Floats) -> Figures:
    """Return the figures of (E,) scores over all images, by name.

    COCO's are in points. Ranking accuracy, correlation and AUSE are of the poses matched at OKS
    0.5, as in the paper; risk (1 - OKS) and calibration of all poses that count and are re-scored.
    """
    oks, image = data.match.target, np.array([entry["image_id"] for entry in data.entries])
    counted = data.match.weight > 0
    true = counted & (oks >= TRUE_POSITIVE)
    refined = counted & (data.scores >= floor_of(data))
    wrong = misranked_false_positives(scores[counted], oks[counted], image[counted])
    risk = sparsification(scores[refined], oks[refined]).error
    metrics = asdict(data.average_precision.evaluate(scores))
    return {
        **{name: 100 * float(value) for name, value in metrics.items()},
        "ranking accuracy": ranking_accuracy(scores[true], oks[true]),
        "within image": ranking_accuracy(scores[true], oks[true], image[true]),
        "pearson": pearson(scores[true], oks[true]),
        "ause": ause_oks(scores[true], oks[true]),
        "misranked": wrong.count,
        "misranked per true positive": wrong.per_true_positive,
        "risk": float(risk.mean()),
        "risk at half": float(risk[len(risk) // 2]),
        "ece": _calibration_error(scores[refined], oks[refined]),
        "ece calibrated": _calibrated_error(scores[refined], oks[refined], image[refined]),
    }


def _calibration_error(scores: Floats, oks: Floats) -> float:
    """Return the expected calibration error; NaN for scores that are not in [0, 1]."""
    if scores.min() < 0 or scores.max() > 1:
        return float("nan")
    return expected_calibration_error(scores, oks)


def _calibrated_error(scores: Floats, oks: Floats, image: npt.NDArray[np.int64]) -> float:
    """Return the same after each half of the images is calibrated on the other half."""
    # The share of poses with a lower score: the same order, in [0, 1] for any scores.
    share = (np.argsort(np.argsort(scores, kind="stable")) + 0.5) / len(scores)
    images = np.unique(image)
    chosen = np.random.default_rng(0).permutation(images)[::2]
    half = np.isin(image, chosen)
    after = np.zeros(len(scores))
    for here in (half, ~half):
        after[here] = calibration.fit(share[~here], oks[~here])(share[here])
    return expected_calibration_error(after, oks)
