"""The figures of the joints of an estimator's results: calibration and coverage, by joint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.ground_truth import GroundTruth
from rcnet_rt.datasets.results import ImagePoses
from rcnet_rt.evaluation.joints import (
    CoverageFigures,
    JointTruth,
    brier_score,
    calibration_error,
    coverage_figures,
    equal_mass_reliability,
    joint_truth,
)
from rcnet_rt.evaluation.metrics import Reliability
from rcnet_rt.poses.oks import Match

__all__ = ["ConfidenceFigures", "JointFigures", "joint_figures", "mean_of"]

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ConfidenceFigures:
    """How well one confidence predicts that joints are right; (K,) by joint, NaN without joints.

    Attributes:
        error: (K,) expected calibration error in 15 bins of equal mass.
        brier: (K,) mean squared difference.
        annotated_error: (K,) `error` over the annotated joints of matched poses.
        annotated_brier: (K,) `brier` over these.
        curves: K reliability curves; `oks` is the share of right joints.
    """

    error: Floats
    brier: Floats
    annotated_error: Floats
    annotated_brier: Floats
    curves: tuple[Reliability, ...]

    @property
    def means(self) -> tuple[float, float]:
        """`error` and `brier`, mean over the joints that have one."""
        return mean_of(self.error), mean_of(self.brier)

    @property
    def annotated_means(self) -> tuple[float, float]:
        """`annotated_error` and `annotated_brier`, mean over the joints that have one."""
        return mean_of(self.annotated_error), mean_of(self.annotated_brier)


@dataclass(frozen=True, eq=False)
class JointFigures:
    """The figures of the joints of some results.

    Attributes:
        joints: names of the K joints.
        poses: number of poses.
        calibrated: of the calibrated confidence.
        raw: of the estimator's joint scores, clipped to [0, 1]; None where it gives none.
        coverage: of the ellipses; None where there are none.
    """

    joints: tuple[str, ...]
    poses: int
    calibrated: ConfidenceFigures
    raw: ConfidenceFigures | None
    coverage: CoverageFigures | None


def joint_figures(
    ground_truth: GroundTruth, images: Iterable[ImagePoses], match: Match, floor: float = 0.0
) -> JointFigures | None:
    """Return the figures of results with joint estimates; None without, or without poses to count.

    Over the poses of raw score `floor` or more. Those of people whom COCO does not count are left
    out, and so are joints that the estimator did not find.

    Args:
        ground_truth: the annotated people.
        images: refined poses of images in the ground truth.
        match: of all entries of the results with the people of their images.
        floor: of the weights.
    """
    chosen = [item for item in images if len(item.poses)]
    if not chosen or any(item.poses.joint_confidence is None for item in chosen):
        return None
    entries = np.concatenate([item.entries for item in chosen])
    ids = np.repeat([int(item.image_id) for item in chosen], [len(item.poses) for item in chosen])
    matched = Match(match.target[entries], match.person[entries], match.weight[entries])
    keypoints = np.concatenate([item.poses.keypoints for item in chosen])
    truth = joint_truth(ground_truth, ids, keypoints, matched)
    scores = np.concatenate([item.poses.estimator_scores for item in chosen])
    counted = (matched.weight > 0) & (scores >= floor)
    if not counted.any():
        return None
    truth, ids = truth[counted], ids[counted]
    found = ~np.isnan(keypoints[counted, :, 0])
    confidence = _joined(chosen, "joint_confidence")
    raw = _joined(chosen, "keypoint_scores")
    covariance = _joined(chosen, "joint_covariance")
    assert confidence is not None
    return JointFigures(
        joints=tuple(ground_truth.skeleton.keypoints),
        poses=int(counted.sum()),
        calibrated=_confidence_figures(confidence[counted], truth, found),
        raw=None if raw is None else _confidence_figures(raw[counted].clip(0, 1), truth, found),
        coverage=None if covariance is None else coverage_figures(truth, covariance[counted], ids),
    )


def mean_of(values: npt.ArrayLike) -> float:
    """Return the mean of the values that are not NaN; NaN where all are.

    >>> mean_of([0.1, float("nan"), 0.3])
    0.2
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else float("nan")


def _joined(images: list[ImagePoses], name: str) -> npt.NDArray[np.float32] | None:
    """Return a field of all poses, None where some have none."""
    arrays = [getattr(item.poses, name) for item in images]
    return None if any(array is None for array in arrays) else np.concatenate(arrays)


def _confidence_figures(
    confidence: npt.NDArray[np.float32], truth: JointTruth, found: Booleans
) -> ConfidenceFigures:
    values, right, annotated = confidence.astype(np.float64), truth.right, found & truth.annotated
    columns = range(values.shape[1])

    def over(chosen: Booleans, joint: int) -> tuple[Floats, Booleans]:
        rows = chosen[:, joint]
        return values[rows, joint], right[rows, joint]

    return ConfidenceFigures(
        error=np.array([calibration_error(*over(found, joint)) for joint in columns]),
        brier=np.array([brier_score(*over(found, joint)) for joint in columns]),
        annotated_error=np.array([calibration_error(*over(annotated, k)) for k in columns]),
        annotated_brier=np.array([brier_score(*over(annotated, joint)) for joint in columns]),
        curves=tuple(equal_mass_reliability(*over(found, joint)) for joint in columns),
    )
