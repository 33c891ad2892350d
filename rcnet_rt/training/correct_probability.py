"""Fit the probability of a true positive on held-out scores.

See `rescoring.correct_probability` for what it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.compare import match_entries
from rcnet_rt.evaluation.guarantees import ScoredImages
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.rescoring.correct_probability import (
    CorrectProbability,
    logistic,
    score_columns,
)

__all__ = ["fit_correct_probability", "reported_poses"]

Floats = npt.NDArray[np.float64]
STEPS = 50  # of Newton's method
RIDGE = 1.0  # pulls towards slopes of 0 by as much as a few poses; fits where all poses are correct


def reported_poses(
    data: LabeledResults,
    entries: npt.NDArray[np.int64],
    scores: Floats,
    images: Sequence[int],
    floor: float,
) -> ScoredImages:
    """Return the poses that count among those that the estimator reports in use.

    Results files have poses below the floor as well. There a pose that nobody sees could be matched
    to the person of one that is seen, which would count as a false positive.

    Args:
        data: an estimator's results.
        entries: (H,) indices of the held-out ones.
        scores: (H,) their refined scores, calibrated.
        images: ids of the I images.
        floor: raw score from which poses are reported.
    """
    above = data.scores[entries] >= floor
    poses = [data.entries[entry] for entry in entries[above]]
    matched = match_entries(data.ground_truth, poses)
    counted, index = matched.weight > 0, {image: n for n, image in enumerate(images)}
    persons = data.ground_truth.persons
    people = [int((~persons[i].ignore).sum()) if i in persons else 0 for i in images]
    return ScoredImages(
        scores=scores[above][counted],
        oks=matched.target[counted],
        image=np.array([index[pose["image_id"]] for pose in poses], np.int64)[counted],
        people=np.array(people, np.int64),
    )


def fit_correct_probability(estimators: Sequence[ScoredImages]) -> CorrectProbability | None:
    """Fit on the poses of one estimator or several.

    None where poses are all correct or all incorrect, or an estimator's images have no person.

    The covariance is the robust one (Liang and Zeger, 1986) with the images as the independent
    units: the poses of an image are correct or not together.

    Args:
        estimators: calibrated refined scores and matched OKS of the poses that an estimator reports
            in use, that is, from the floor on; all index the same images.
    """
    scores = np.concatenate([each.scores for each in estimators])
    correct = np.concatenate([each.oks >= TRUE_POSITIVE for each in estimators])
    image = np.concatenate([each.image for each in estimators])
    if correct.all() or not correct.any() or not all(each.people.sum() for each in estimators):
        return None
    columns = score_columns(scores)
    solution = _fit(columns, correct)
    shares = [_found(each) for each in estimators]
    found = [share for share, _ in shares]
    variance = np.mean([square for _, square in shares]) + (
        np.var(found, ddof=1) if len(found) > 1 else 0.0
    )
    return CorrectProbability(
        tuple(solution.tolist()),
        tuple(tuple(row) for row in _covariance(columns, correct, image, solution).tolist()),
        float(correct.mean()),
        float(np.mean(found)),
        float(np.sqrt(variance)),
        len(estimators[0].people),
    )


def _fit(columns: Floats, correct: npt.NDArray[np.bool_]) -> Floats:
    """Return the coefficients of the logistic regression whose slopes are not negative."""
    free = np.ones(columns.shape[1], np.bool_)
    while True:
        solution = np.zeros(columns.shape[1])
        solution[free] = _newton(columns[:, free], correct)
        negative = (solution < 0) & (np.arange(len(solution)) < len(solution) - 1)
        if not negative.any():
            return solution
        free &= ~negative


def _newton(columns: Floats, correct: npt.NDArray[np.bool_]) -> Floats:
    ridge = RIDGE * np.eye(columns.shape[1])
    ridge[-1, -1] = 1e-6  # of the intercept
    solution = np.zeros(columns.shape[1])
    for _ in range(STEPS):
        chance, weight = _chance(columns, solution)
        slope = columns.T @ (correct - chance) - ridge @ solution
        step = np.linalg.solve((columns.T * weight) @ columns + ridge, slope)
        solution = solution + step / max(1.0, float(np.abs(step).max()))
    return solution


def _covariance(
    columns: Floats,
    correct: npt.NDArray[np.bool_],
    image: npt.NDArray[np.int64],
    solution: Floats,
) -> Floats:
    chance, weight = _chance(columns, solution)
    free = solution != 0
    used = columns[:, free]
    curvature = np.linalg.inv((used.T * weight) @ used + 1e-6 * np.eye(used.shape[1]))
    scores = used * (correct - chance)[:, None]
    by_image = np.stack([np.bincount(image, column) for column in scores.T], axis=1)
    covariance = np.zeros((len(solution), len(solution)))
    covariance[np.ix_(free, free)] = curvature @ (by_image.T @ by_image) @ curvature
    return (covariance + covariance.T) / 2


def _chance(columns: Floats, solution: Floats) -> tuple[Floats, Floats]:
    chance = logistic(columns @ solution)
    return chance, chance * (1 - chance)


def _found(images: ScoredImages) -> tuple[float, float]:
    """Return the share of the people who are found, and its variance over draws of the images."""
    count = len(images.people)
    true = np.bincount(images.image[images.oks >= TRUE_POSITIVE], minlength=count)
    share = float(true.sum() / images.people.sum())
    rest = true - share * images.people
    return share, float((rest**2).sum() / images.people.sum() ** 2)
