"""The figures of the joints of one estimator, beside those of two peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.results import ImagePoses
from rcnet_rt.evaluation.joint_figures import joint_figures
from rcnet_rt.evaluation.joints import (
    CHI2_90,
    LEVEL,
    JointTruth,
    brier_score,
    calibration_error,
    conformal_radius,
    joint_truth,
    squared_distances,
)
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.poses.oks import Match
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.training.joint_judging import joint_record, refined_held_out
from rcnet_rt.training.splits import Split

__all__ = ["Judged", "coverage_by_chance", "figures", "isotonic", "judged"]

Floats = npt.NDArray[np.float64]
SIZE_BINS = 4
DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Judged:
    """N held-out poses that count, refined, with their truth.

    Attributes:
        truth: of the joints.
        found: (N, K).
        confidence: (N, K).
        raw: (N, K) joint scores of the estimator in [0, 1]; 1 where it gives none.
        covariance: (N, K, 2, 2).
        fold: (N,) number of the fold that held the image out.
        images: (N,) id of the image.
    """

    truth: JointTruth
    found: npt.NDArray[np.bool_]
    confidence: Floats
    raw: Floats
    covariance: Floats
    fold: npt.NDArray[np.int64]
    images: npt.NDArray[np.int64]


def judged(
    data: LabeledResults, images: Sequence[ImagePoses], held_out: Sequence[tuple[Split, Weights]]
) -> Judged:
    """Return the held-out poses of an estimator at or above the floor that COCO counts."""
    fold_of = {image: number for number, (s, _) in enumerate(held_out) for image in s.held_out}
    entries = np.concatenate([item.entries for item in images])
    ids = np.repeat([int(item.image_id) for item in images], [len(i.entries) for i in images])
    match = data.match
    found = Match(match.target[entries], match.person[entries], match.weight[entries])
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(item.poses, name) for item in images])
        for name in ("keypoints", "joint_confidence", "joint_covariance", "estimator_scores")
    }
    raw = [
        np.ones(item.poses.keypoints.shape[:2])
        if item.poses.keypoint_scores is None
        else item.poses.keypoint_scores
        for item in images
    ]
    kept = (found.weight > 0) & (columns["estimator_scores"] >= held_out[0][1].floor)
    return Judged(
        truth=joint_truth(data.ground_truth, ids, columns["keypoints"], found)[kept],
        found=~np.isnan(columns["keypoints"][kept]).any(axis=2),
        confidence=columns["joint_confidence"][kept].astype(np.float64),
        raw=np.concatenate(raw)[kept].astype(np.float64).clip(0, 1),
        covariance=columns["joint_covariance"][kept].astype(np.float64),
        fold=np.array([fold_of[image] for image in ids[kept].tolist()]),
        images=ids[kept],
    )


def figures(data: LabeledResults, held_out: Sequence[tuple[Split, Weights]]) -> Mapping[str, Any]:
    """Return the figures of one estimator on the held-out images."""
    images = [item for item in refined_held_out(data, held_out) if len(item.entries)]
    all_figures = joint_figures(data.ground_truth, images, data.match, held_out[0][1].floor)
    assert all_figures is not None
    poses = judged(data, images, held_out)
    return {**joint_record(all_figures), **_against_peers(poses), **_ellipses(poses)}


def _against_peers(poses: Judged) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    isotonic_brier, chance = [], []
    for joint in range(poses.found.shape[1]):
        rows = poses.found[:, joint]
        scores, right, fold = (
            poses.raw[rows, joint],
            poses.truth.right[rows, joint],
            poses.fold[rows],
        )
        fitted = np.zeros(len(scores))
        for number in np.unique(fold):
            here = fold == number
            fitted[here] = isotonic(scores[~here], right[~here], scores[here])
        isotonic_brier.append(brier_score(fitted, right))
        confidence = poses.confidence[rows, joint]
        drawn = rng.random((5, len(confidence))) < confidence
        chance.append(np.mean([calibration_error(confidence, each) for each in drawn]))
    return {
        "isotonic_brier": float(np.nanmean(isotonic_brier)),
        "error_by_chance": float(np.nanmean(chance)),
    }


def _ellipses(poses: Judged) -> dict[str, Any]:
    """Return the coverage by the size of the person, and how large the ellipses are."""
    truth = poses.truth
    distances = squared_distances(truth.offset, poses.covariance)
    counted = (truth.oks >= 0.5)[:, None] & ~np.isnan(distances)
    inside = counted & (distances <= CHI2_90)
    edges = np.quantile(truth.area[counted.any(axis=1)], np.linspace(0, 1, SIZE_BINS + 1))
    quarter = np.searchsorted(edges[1:-1], np.nan_to_num(truth.area), side="right")
    scaled = np.linalg.norm(truth.offset, axis=2) / np.sqrt(truth.area)[:, None]
    circles, covered = np.full(counted.shape, np.nan), np.zeros(counted.shape, bool)
    for joint in range(counted.shape[1]):
        for number in np.unique(poses.fold):
            here = poses.fold == number
            radius = conformal_radius(scaled[counted[:, joint] & ~here, joint])
            circles[here, joint] = radius**2 * truth.area[here]
            covered[here, joint] = scaled[here, joint] <= radius
    with np.errstate(invalid="ignore"):
        ellipses = CHI2_90 * np.sqrt(np.linalg.det(poses.covariance))
    return {
        "coverage_by_chance": coverage_by_chance(inside, counted, poses.images),
        "coverage_by_size": [
            float(inside[counted & (quarter == part)[:, None]].mean()) for part in range(SIZE_BINS)
        ],
        "median_area": float(np.median((ellipses / circles)[counted])),
        "circle_covers_occluded": float(covered[counted & truth.occluded].mean()),
    }


def coverage_by_chance(
    inside: npt.NDArray[np.bool_], counted: npt.NDArray[np.bool_], images: npt.NDArray[np.int64]
) -> list[float]:
    """Return the coverage to be expected of the lowest and of the highest of K joints.

    It is that of ellipses that cover 90 % of every joint, on other images of the same kind: a
    bootstrap over images, because the joints of an image are missed together.

    Args:
        inside: (N, K) whether the ellipse holds the joint.
        counted: (N, K) whether the joint counts.
        images: (N,) id of the image.
    """
    _, place = np.unique(images, return_inverse=True)
    count = int(place.max()) + 1
    hits, joints = (np.zeros((count, inside.shape[1])) for _ in range(2))
    np.add.at(hits, place, inside & counted)
    np.add.at(joints, place, counted)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(count, np.full(count, 1 / count), DRAWS)
    shares = (drawn @ hits) / (drawn @ joints)
    chance = LEVEL + shares - hits.sum(axis=0) / joints.sum(axis=0)
    return [float(chance.min(axis=1).mean()), float(chance.max(axis=1).mean())]


def isotonic(scores: Floats, right: npt.NDArray[np.bool_], new: Floats) -> Floats:
    """Return the share of right joints at new scores, by isotonic regression (PAVA).

    >>> isotonic(np.array([0.1, 0.2, 0.3]), np.array([0, 1, 0]), np.array([0.1, 0.3])).tolist()
    [0.0, 0.5]
    """
    known, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    pools: list[tuple[float, int, int]] = []  # right ones, all, scores
    for hits, count in zip(np.bincount(place, right), counts.tolist(), strict=True):
        pool = (float(hits), count, 1)
        while pools and pools[-1][0] * pool[1] >= pool[0] * pools[-1][1]:
            last = pools.pop()
            pool = (last[0] + pool[0], last[1] + pool[1], last[2] + pool[2])
        pools.append(pool)
    shares = np.repeat([hits / count for hits, count, _ in pools], [size for _, _, size in pools])
    return np.interp(new, known, shares)
