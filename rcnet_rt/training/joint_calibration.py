"""Calibration of a joint head on images that it was not trained on, put into its last layer.

Confidence: a logistic regression on the logit, one for each joint. Covariance: one factor for each
joint, the conformal one, with which the 90 % ellipses cover 90 %, where each estimator counts the
same however many poses it has. Both are linear in the outputs, so that they cost nothing when the
head runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.rescoring.joint_head import COVERAGE, COVERED, OUTPUTS, squared_distance
from rcnet_rt.training.joint_examples import JointExamples
from rcnet_rt.training.joint_loss import MIN_SQUARE

__all__ = ["JointCalibration", "calibrated_tensors", "fit_joint_calibration"]

Floats = npt.NDArray[np.float64]
MIN_JOINTS = 50  # with fewer examples a joint keeps what the network gives
STEPS = 25  # of Newton's method
RIDGE = 1.0  # pulls slope and intercept towards 1 and 0, by as much as one uncertain joint


@dataclass(frozen=True, eq=False)
class JointCalibration:
    """What is done to the outputs of each joint.

    Attributes:
        slope: (K,) of the logit of the confidence.
        intercept: (K,) of it.
        log_variance: (K,) added to the log variance.
    """

    slope: Floats
    intercept: Floats
    log_variance: Floats


def fit_joint_calibration(
    outputs: npt.NDArray[np.float32], examples: JointExamples
) -> JointCalibration:
    """Fit on outputs (P, 4, K) for examples that the head was not trained on."""
    joints = outputs.shape[2]
    fitted = [_fit_joint(outputs.astype(np.float64), examples, joint) for joint in range(joints)]
    return JointCalibration(*map(np.array, zip(*fitted, strict=True)))


def _fit_joint(outputs: Floats, examples: JointExamples, joint: int) -> tuple[float, float, float]:
    slope, intercept, shift = 1.0, 0.0, 0.0
    chosen = examples.found[:, joint]
    if chosen.sum() >= MIN_JOINTS:
        slope, intercept = _logistic(
            outputs[chosen, 0, joint], examples.right[chosen, joint], examples.weights[chosen]
        )
    chosen = examples.judged[:, joint]
    if chosen.sum() >= MIN_JOINTS:
        squares = squared_distance(outputs[chosen], examples.errors[chosen])[:, joint]
        ratios = (
            np.log(np.maximum(squares, MIN_SQUARE)) - outputs[chosen, 1, joint] - np.log(COVERED)
        )
        shift = _quantile(ratios, _equal_estimators(examples)[chosen])
    return slope, intercept, shift


def _logistic(
    logits: Floats, right: npt.NDArray[np.bool_], weights: npt.NDArray[np.float32]
) -> tuple[float, float]:
    """Return slope and intercept of a logistic regression, by Newton's method with halved steps."""
    columns, start = np.stack([logits, np.ones_like(logits)], 1), np.array([1.0, 0.0])

    def loss(solution: Floats) -> float:
        values = columns @ solution
        log_loss = weights @ (np.logaddexp(0, values) - right * values)
        return float(log_loss + RIDGE / 2 * ((solution - start) ** 2).sum())

    solution = start
    for _ in range(STEPS):
        chance = np.exp(-np.logaddexp(0, -columns @ solution))
        slope = columns.T @ (weights * (chance - right)) + RIDGE * (solution - start)
        curvature = (columns.T * (weights * chance * (1 - chance))) @ columns + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        start_loss = loss(solution)
        halved = (solution - 0.5**n * step for n in range(STEPS))
        lower = next((each for each in halved if loss(each) < start_loss), None)
        if lower is None:
            break
        solution = lower
    return float(solution[0]), float(solution[1])


def _equal_estimators(examples: JointExamples) -> Floats:
    """Return (P,) weights of mean 1 with which each estimator has the same total."""
    counts = np.bincount(examples.estimators)
    counts = np.where(counts > 0, counts, 1) * np.count_nonzero(counts)
    return np.asarray(len(examples) / counts[examples.estimators], np.float64)


def _quantile(values: Floats, weights: Floats) -> float:
    """Return the smallest value that `COVERAGE` of the weight does not exceed (split conformal)."""
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / (weights.sum() + weights.mean())
    place = int(np.searchsorted(share, COVERAGE))
    return float(values[order[min(place, len(order) - 1)]])


def calibrated_tensors(
    tensors: Mapping[str, npt.NDArray[np.float32]], calibration: JointCalibration
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the tensors of a head that gives calibrated outputs."""
    weight, bias = tensors["output.weight"].copy(), tensors["output.bias"].copy()
    joints = len(calibration.slope)
    confidence, variance = (
        slice(number * joints, (number + 1) * joints)
        for number in (OUTPUTS.index("confidence"), OUTPUTS.index("log variance"))
    )
    weight[confidence] *= _single(calibration.slope[:, None])
    bias[confidence] = _single(calibration.slope * bias[confidence] + calibration.intercept)
    bias[variance] += _single(calibration.log_variance)
    return {**tensors, "output.weight": weight, "output.bias": bias}


def _single(values: Any) -> npt.NDArray[np.float32]:
    return np.asarray(values, np.float32)
