"""Calibrated confidence and covariance of joints in the JSON objects of files, and back.

    {"joint_confidence": [0.97, …], "joint_covariance": [[xx, xy, yy], null, …]}

Numbers are float32 written as the shortest float64 that equals them, so reading gives the same
bits. Readers of COCO results pass over both keys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.poses.arrays import float32_of

__all__ = ["JOINT_CONFIDENCE", "JOINT_COVARIANCE", "joint_estimates", "parse_joint_estimates"]

JOINT_CONFIDENCE, JOINT_COVARIANCE = "joint_confidence", "joint_covariance"

Floats = npt.NDArray[np.float32]
UNKNOWN = [math.nan] * 3
ROUNDING = 1e-4  # relative, of the entries of a covariance in single precision


def joint_estimates(confidence: Floats | None, covariance: Floats | None) -> dict[str, Any]:
    """Return what is known of the joints of one pose, by the names that files have for it.

    Args:
        confidence: (K,) or None.
        covariance: (K, 2, 2), NaN where it is not known, or None.

    >>> joint_estimates(np.float32([0.5, 0]), np.float32([np.eye(2), np.full((2, 2), np.nan)]))
    {'joint_confidence': [0.5, 0.0], 'joint_covariance': [[1.0, 0.0, 1.0], None]}
    """
    estimates: dict[str, Any] = {}
    if confidence is not None:
        estimates[JOINT_CONFIDENCE] = confidence.tolist()
    if covariance is not None:
        entries = covariance.reshape(-1, 4)[:, [0, 1, 3]].tolist()
        estimates[JOINT_COVARIANCE] = [None if math.isnan(joint[0]) else joint for joint in entries]
    return estimates


def parse_joint_estimates(objects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the arguments of `Poses` that the objects of all poses hold, {} for none.

    What one of them lacks is left out of all.

    Raises:
        TypeError, ValueError: lengths that differ, or values that cannot be.
    """
    estimates: dict[str, Any] = {}
    if objects and all(pose.get(JOINT_CONFIDENCE) is not None for pose in objects):
        estimates[JOINT_CONFIDENCE] = _probabilities([pose[JOINT_CONFIDENCE] for pose in objects])
    if objects and all(pose.get(JOINT_COVARIANCE) is not None for pose in objects):
        estimates[JOINT_COVARIANCE] = _matrices([pose[JOINT_COVARIANCE] for pose in objects])
    return estimates


def _probabilities(given: list[Any]) -> Floats:
    values = float32_of(given)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"{JOINT_CONFIDENCE} is not made of probabilities in [0, 1]")
    return values


def _matrices(given: list[Any]) -> Floats:
    """Return (N, K, 2, 2) of lists of [xx, xy, yy], null where it is not known."""
    entries = float32_of(
        [[UNKNOWN if joint is None else joint for joint in pose] for pose in given]
    )
    if entries.ndim != 3 or entries.shape[2] != 3:
        raise ValueError(f"{JOINT_COVARIANCE} is not made of [xx, xy, yy] or null for each joint")
    xx, xy, yy = entries[~np.isnan(entries).all(axis=2)].astype(np.float64).T
    if not ((xx >= 0) & (yy >= 0) & (xy**2 <= (1 + ROUNDING) * xx * yy)).all():
        raise ValueError(f"{JOINT_COVARIANCE} has a matrix that is not positive semi-definite")
    return entries[..., [0, 1, 1, 2]].reshape(*entries.shape[:2], 2, 2)
