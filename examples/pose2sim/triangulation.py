"""Triangulation of joints that several calibrated cameras see, weighted by what is known of each.

F frames, K joints, C cameras. `dlt` takes one weight per camera, as Pose2Sim does. `least_squares`
takes a covariance per camera: it knows in which direction a joint is uncertain, and in pixels, so
that it can be held against other knowledge, such as how far a joint moves between two frames.
"""

from __future__ import annotations

import numpy as np

ITERATIONS = 25
STEP = 0.7  # of Gauss-Newton; joints of neighboring frames move together
RIDGE = 1e-9


def project(projections: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the (…, C, 2) pixels at which (C, 3, 4) cameras see (…, 3) points."""
    homogeneous = np.einsum("cij,...j->...ci", projections, _homogeneous(points))
    return homogeneous[..., :2] / homogeneous[..., 2:]


def dlt(projections: np.ndarray, pixels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (…, 3) points by the direct linear transform.

    Args:
        projections: (C, 3, 4).
        pixels: (…, C, 2); NaN for a joint that was not found.
        weights: (…, C), of the rows of each camera.
    """
    rows = pixels[..., None] * projections[:, None, 2] - projections[:, :2]
    rows = np.nan_to_num(rows) * weights[..., None, None]
    stacked = rows.reshape(*rows.shape[:-3], -1, 4)
    point = np.linalg.svd(stacked, full_matrices=False)[2][..., -1, :]
    return point[..., :3] / point[..., 3:]


def least_squares(
    projections: np.ndarray,
    pixels: np.ndarray,
    covariances: np.ndarray,
    *,
    degrees: float | None = None,
    motion: float | None = None,
) -> np.ndarray:
    """Return (F, K, 3) points that minimize the reprojection error, by Gauss-Newton.

    Args:
        projections: (C, 3, 4).
        pixels: (F, K, C, 2); NaN for a joint that was not found.
        covariances: (F, K, C, 2, 2) square pixels, NaN where the pixels are.
        degrees: of freedom of a Student t distribution of the errors, so that a camera far off
            counts less; None takes a normal one.
        motion: standard deviation, in units of the points, of a joint from the mean of its
            neighbors in time; None takes each frame alone.
    """
    found = ~np.isnan(pixels[..., 0])
    safe = np.where(found[..., None, None], covariances, np.eye(2))
    information = np.where(found[..., None, None], np.linalg.inv(safe), 0.0)
    points = dlt(projections, pixels, np.linalg.det(information) ** 0.25)
    for _ in range(ITERATIONS):
        homogeneous = np.einsum("cij,...j->...ci", projections, _homogeneous(points))
        seen, depth = homogeneous[..., :2] / homogeneous[..., 2:], homogeneous[..., 2]
        slope = projections[:, :2, :3] - seen[..., None] * projections[:, None, 2, :3]
        slope = slope / depth[..., None, None]
        error = np.where(found[..., None], pixels - seen, 0.0)
        weighted = information
        if degrees is not None:
            distance = np.einsum("...i,...ij,...j->...", error, information, error)
            weighted = information * ((degrees + 2) / (degrees + distance))[..., None, None]
        normal = np.einsum("...cia,...cij,...cjb->...ab", slope, weighted, slope)
        pull = np.einsum("...cia,...cij,...cj->...a", slope, weighted, error)
        if motion is not None:
            normal = normal + np.eye(3) / motion**2
            pull = pull + (_neighbors(points) - points) / motion**2
        step = np.linalg.solve(normal + RIDGE * np.eye(3), pull[..., None])[..., 0]
        points = points + STEP * step
    return points


def _neighbors(points: np.ndarray) -> np.ndarray:
    """Return the mean of the frames before and after; at the ends the frame itself counts."""
    padded = np.concatenate([points[:1], points, points[-1:]])
    return (padded[:-2] + padded[2:]) / 2


def _homogeneous(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)
