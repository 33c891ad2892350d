"""How well the confidence and the covariance of joints hold against ground truth.

A joint is right if its own keypoint similarity, as in COCO's OKS, is at least 0.5. There are two
truths. In the first, which the confidence is meant for, every joint of every pose counts: one that
the matched person does not have annotated (out of the image, not to be placed), and one of a pose
that matches nobody, is not right. In the second only annotated joints of matched poses count.

An ellipse is judged where the joint is annotated, on poses matched at OKS 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.ground_truth import GroundTruth
from rcnet_rt.evaluation.metrics import Reliability
from rcnet_rt.poses.oks import Match

__all__ = [
    "CHI2_90",
    "LEVEL",
    "CoverageFigures",
    "JointTruth",
    "brier_score",
    "calibration_error",
    "conformal_radius",
    "coverage_figures",
    "equal_mass_reliability",
    "joint_truth",
    "squared_distances",
]

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

RIGHT = 0.5  # keypoint similarity from which a joint is right
MATCHED = 0.5  # OKS from which the ellipses of a pose are judged
CHI2_90 = 4.605  # 0.9 quantile of chi² of two degrees of freedom
LEVEL = 0.9  # share of joints that an ellipse is to hold
BINS = 15
LARGE = 96.0**2  # square pixels: COCO's limit between medium and large people


@dataclass(frozen=True, eq=False)
class JointTruth:
    """What the ground truth says of the K joints of N poses.

    Attributes:
        similarity: (N, K) keypoint similarity with the matched person, in [0, 1]; 0 for a joint
            that is not annotated or was not found, and for poses that match nobody.
        annotated: (N, K) whether the matched person has the joint.
        occluded: (N, K) whether it is annotated as occluded (COCO's visibility 1).
        offset: (N, K, 2) from the annotated joint to the pose's, in pixels; NaN where either is
            missing.
        area: (N,) square pixels of the matched person; NaN for nobody.
        oks: (N,) of the pose with the person.
    """

    similarity: Floats
    annotated: Booleans
    occluded: Booleans
    offset: Floats
    area: Floats
    oks: Floats

    @property
    def right(self) -> Booleans:
        """(N, K) whether each joint is right."""
        return np.asarray(self.similarity >= RIGHT)

    def __getitem__(self, index: Any) -> JointTruth:
        """Return the truth of the poses that a mask or indices select."""
        return JointTruth(**{name: array[index] for name, array in vars(self).items()})


def joint_truth(
    ground_truth: GroundTruth, images: npt.ArrayLike, keypoints: npt.ArrayLike, match: Match
) -> JointTruth:
    """Return the truth of the joints of N poses.

    Args:
        ground_truth: the annotated people.
        images: (N,) id of the image of each pose.
        keypoints: (N, K, 2) image pixels, NaN for a joint that was not found.
        match: of the poses with the people of their images.
    """
    points = np.asarray(keypoints, np.float64)
    count, joints = points.shape[:2]
    target = np.full((count, joints, 2), np.nan)
    occluded, area = np.zeros((count, joints), bool), np.full(count, np.nan)
    for row, image in enumerate(np.asarray(images).tolist()):
        person = int(match.person[row])
        if person < 0:
            continue
        persons = ground_truth.persons[image]
        target[row] = np.where(persons.visible[person, :, None], persons.keypoints[person], np.nan)
        occluded[row], area[row] = persons.occluded[person], persons.areas[person]
    offset = points - target
    variance = (2 * np.array(ground_truth.skeleton.sigmas)) ** 2
    scale = 2 * variance * (area[:, None] + np.spacing(1.0))
    similarity = np.nan_to_num(np.exp(-(offset**2).sum(axis=2) / scale))
    annotated = ~np.isnan(target[..., 0])
    return JointTruth(similarity, annotated, occluded, offset, area, match.target)


def equal_mass_reliability(
    confidence: npt.ArrayLike, right: npt.ArrayLike, bins: int = BINS
) -> Reliability:
    """Return mean confidence and share of right ones in bins of equally many of N joints.

    Of joints with the same confidence, which may fall into two bins, each counts as their mean.
    """
    order = np.argsort(confidence, kind="stable")
    values = np.asarray(confidence, np.float64)[order]
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    hits = np.bincount(group, np.asarray(right, np.float64)[order], len(size))
    share = (hits / size)[group]
    bounds = np.linspace(0, len(values), min(bins, max(len(values), 1)) + 1).astype(np.int64)
    count = np.diff(bounds)
    divisor = np.where(count > 0, count, np.nan)
    total = (np.concatenate([[0.0], np.cumsum(array)]) for array in (values, share))
    mean_confidence, mean_share = (np.diff(sums[bounds]) / divisor for sums in total)
    return Reliability(mean_confidence, mean_share, count)


def calibration_error(confidence: npt.ArrayLike, right: npt.ArrayLike, bins: int = BINS) -> float:
    """Return the expected calibration error of N joints in bins of equal mass, in [0, 1].

    NaN without joints.

    >>> calibration_error([0.25, 0.25, 0.75, 0.75], [0, 0, 1, 1], bins=2)
    0.25
    """
    table = equal_mass_reliability(confidence, right, bins)
    if not table.count.sum():
        return float("nan")
    return float(np.average(np.abs(table.score - table.oks), weights=table.count))


def brier_score(confidence: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """Return the mean squared difference of confidence and being right; NaN without joints.

    >>> brier_score([0.5, 1.0], [0, 1])
    0.125
    """
    difference = np.asarray(confidence, np.float64) - np.asarray(right, np.float64)
    return float((difference**2).mean()) if difference.size else float("nan")


def squared_distances(offset: npt.ArrayLike, covariance: npt.ArrayLike) -> Floats:
    """Return (…,) squared Mahalanobis distances d' S⁻¹ d; inf where S is singular, NaN for NaN.

    Args:
        offset: (…, 2) pixels.
        covariance: (…, 2, 2) square pixels, symmetric.

    >>> squared_distances([3.0, 0.0], [[9.0, 0.0], [0.0, 1.0]]).tolist()
    1.0
    """
    x, y = np.moveaxis(np.asarray(offset, np.float64), -1, 0)
    matrix = np.asarray(covariance, np.float64)
    xx, xy, yy = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 1]
    determinant = xx * yy - xy**2
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = (yy * x**2 - 2 * xy * x * y + xx * y**2) / determinant
    return np.where(determinant <= 0, np.inf, distances)


def conformal_radius(scaled: npt.ArrayLike, level: float = LEVEL) -> float:
    """Return the split-conformal radius: at least `level` of further distances are within it.

    Args:
        scaled: (N,) distances of a joint from its truth, divided by the square root of the area.
        level: in (0, 1).

    >>> conformal_radius([1.0, 2.0, 3.0, 4.0], 0.5)
    3.0
    """
    values = np.sort(np.asarray(scaled, np.float64))
    rank = math.ceil((len(values) + 1) * level)
    return float(values[rank - 1]) if 0 < rank <= len(values) else float("inf")


@dataclass(frozen=True)
class CoverageFigures:
    """How many joints are in their 90 % ellipse; NaN where there is none.

    Attributes:
        by_joint: (K,) share of each joint.
        groups: share by the size of the person and by occlusion, over all joints.
        joints: number of joints.
        relative_area: mean area of the ellipses, divided by that of circles of one conformal
            radius per joint, scaled by the square root of the person's true area; each half of
            the images has the radius of the other half.
    """

    by_joint: Sequence[float]
    groups: Mapping[str, float]
    joints: int
    relative_area: float


def coverage_figures(
    truth: JointTruth, covariance: npt.ArrayLike, images: npt.ArrayLike
) -> CoverageFigures:
    """Return the coverage of the 90 % ellipses of N poses.

    Args:
        truth: of the N poses.
        covariance: (N, K, 2, 2) square pixels.
        images: (N,) id of the image of each pose.
    """
    matrices = np.asarray(covariance, np.float64)
    distances = squared_distances(truth.offset, matrices)
    judged = (truth.oks >= MATCHED)[:, None] & ~np.isnan(distances)
    inside = judged & (distances <= CHI2_90)

    def share(chosen: npt.NDArray[np.bool_]) -> float:
        count = int((judged & chosen).sum())
        return int((inside & chosen).sum()) / count if count else float("nan")

    large = np.broadcast_to(truth.area[:, None] >= LARGE, judged.shape)
    columns = np.arange(judged.shape[1])
    return CoverageFigures(
        by_joint=tuple(share(np.asarray(columns == joint)) for joint in columns),
        groups={
            "medium people": share(~large),
            "large people": share(large),
            "occluded joints": share(truth.occluded),
            "visible joints": share(~truth.occluded),
        },
        joints=int(judged.sum()),
        relative_area=_relative_area(truth, matrices, judged, np.asarray(images)),
    )


def _relative_area(
    truth: JointTruth, covariance: Floats, judged: Booleans, images: npt.NDArray[Any]
) -> float:
    ellipses = CHI2_90 * np.sqrt(np.linalg.det(np.where(judged[..., None, None], covariance, 0)))
    scaled = np.linalg.norm(truth.offset, axis=2) / np.sqrt(truth.area)[:, None]
    second = np.unique(images, return_inverse=True)[1] % 2 == 1
    circles = np.zeros(judged.shape)
    for half in (second, ~second):
        for joint in range(judged.shape[1]):
            rows = judged[:, joint] & half
            radius = conformal_radius(scaled[judged[:, joint] & ~half, joint])
            circles[rows, joint] = radius**2 * truth.area[rows]
    total = float(circles[judged].sum())
    return float(ellipses[judged].sum()) / total if 0 < total < math.inf else float("nan")
