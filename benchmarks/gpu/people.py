"""Seeded poses of plausible people, for machines without data."""

from __future__ import annotations

import numpy as np

from rcnet_rt.poses.fields import CONSENSUS
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.inputs import PoseInputs, inputs_of, with_floor
from rcnet_rt.rescoring.weights import Weights

__all__ = ["frame", "people"]

WIDTH, HEIGHT = 640, 480
# A person who stands upright, in the order of coco17: x from the middle and y from the top, as
# shares of the person's height.
TEMPLATE = np.array(
    [
        (0, 0.06), (0.02, 0.04), (-0.02, 0.04), (0.05, 0.05), (-0.05, 0.05), (0.11, 0.18),
        (-0.11, 0.18), (0.15, 0.33), (-0.15, 0.33), (0.16, 0.47), (-0.16, 0.47), (0.07, 0.5),
        (-0.07, 0.5), (0.08, 0.73), (-0.08, 0.73), (0.08, 0.95), (-0.08, 0.95),
    ]
)  # fmt: skip
DUPLICATES = 0.2  # share of the poses that lie near another one
MISSING = 0.1  # share of the joints that were not found


def people(count: int, seed: int = 0, signals: bool = False) -> Poses:
    """Return so many poses of coco17, some of them near-duplicates, some joints not found.

    Args:
        count: number of poses.
        seed: decides everything.
        signals: whether consensus and agreement are known.
    """
    rng = np.random.default_rng([seed, count])
    heights = np.exp(rng.uniform(np.log(30), np.log(400), (count, 1, 1)))
    centers = rng.uniform((0, 0), (WIDTH, HEIGHT), (count, 1, 2)) - (0, 0.5) * heights
    near = np.flatnonzero(rng.random(count) < DUPLICATES)
    originals = rng.integers(0, max(count, 1), len(near))
    heights[near], centers[near] = heights[originals], centers[originals]
    joints = TEMPLATE * rng.uniform(0.7, 1.3, (count, 1, 2))
    keypoints = centers + heights * (joints + rng.normal(0, 0.02, (count, 17, 2)))
    boxes = np.concatenate([keypoints.min(axis=1), keypoints.max(axis=1)], axis=1)
    quality = rng.beta(1.2, 1.5, count)
    joint_scores = np.clip(quality[:, None] + rng.normal(0.1, 0.2, (count, 17)), 0.001, 0.999)
    missing = rng.random((count, 17)) < MISSING
    keypoints[missing], joint_scores[missing] = np.nan, 0
    return Poses(
        keypoints,
        np.clip(quality + rng.normal(0, 0.1, count), 0.002, 0.99),
        keypoint_scores=joint_scores,
        boxes=boxes,
        consensus=rng.uniform(0.1, 0.9, (count, len(CONSENSUS))) if signals else None,
        agreement=rng.uniform(0.05, 0.95, count) if signals else None,
        image_size=(WIDTH, HEIGHT),
    )


def frame(count: int, weights: Weights, seed: int = 0, signals: bool = False) -> PoseInputs:
    """Return such poses as a backend with these weights takes them, in NumPy."""
    return with_floor(inputs_of(people(count, seed, signals)), weights.floor)
