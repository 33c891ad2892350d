"""A few numbers for each frame that change when a camera, a scene or an estimator does.

Those of the image come from some thousand of its pixels; those of the poses are means in which
a pose counts as much as its refined score, the expected OKS, so that no threshold is needed and one
that is moved changes nothing.

    measure = FrameStatistics(COCO17)
    values = np.stack([measure(frame.image_bgr, poses) for frame, poses in ...])  # (T, S)
    blocks = block_means(values, 5)  # (T // 5, S)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rcnet_rt.monitoring.pose_statistics import (
    joint_confidences,
    joints_found,
    pose_heights,
    pose_sizes,
    torso_directions,
)
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["NAMES", "STATISTICS", "FrameStatistics", "Statistic", "block_means"]

GRID = 64  # pixels across and down, at least, that are looked at
PATCHES = 32, 240  # of 3 x 3 pixels, down and across, for edges and sharpness
EMPTY = 1e-3  # expected poses below which there is nobody whose figures could be averaged

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class View:
    """What the statistics of one frame are computed from.

    Attributes:
        poses: N refined poses.
        weights: (N,) their refined scores in [0, 1].
        torso: (2, 2) keypoint indices of the links down the sides of the torso, the upper first.
        height: of the image in pixels, NaN where unknown.
        pixels: (H', W', 3) on a grid, blue first; None without an image.
        patches: (3, 3, R, C) green of patches of 3 x 3 adjacent pixels; None without an image.
        before: the pixels of the frame before; None for the first, and where the size has changed.
    """

    poses: Poses
    weights: npt.NDArray[np.float32]
    torso: npt.NDArray[np.intp]
    height: float
    pixels: Pixels | None
    patches: Pixels | None
    before: Pixels | None


@dataclass(frozen=True)
class Statistic:
    """One number of a frame.

    Attributes:
        name: in files.
        label: in sentences, with its unit.
        lower: what a lower value means.
        higher: what a higher value means.
        min_change: smallest change worth an alarm, in its unit.
        min_share: smallest change worth an alarm, as a share of the value before.
        digits: after the point, in sentences.
        of: gives the number, NaN where it does not exist.
    """

    name: str
    label: str
    lower: str
    higher: str
    min_change: float
    min_share: float
    digits: int
    of: Callable[[View], float]


class FrameStatistics:
    """Computes the statistics of one frame after the other; remembers the pixels of the last one.

    Args:
        skeleton: of the poses.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._torso = np.array([skeleton.links[link] for link in skeleton.torso])
        self._before: Pixels | None = None

    def __call__(self, image_bgr: Image | None, poses: Poses) -> Floats:
        """Return the (S,) statistics of a frame, in the order of `STATISTICS`.

        Args:
            image_bgr: (H, W, 3) uint8, blue first; None where there is none, as in recordings.
            poses: N refined poses.
        """
        before, self._before = self._before, None
        height, pixels, patches = math.nan, None, None
        if image_bgr is not None:
            height, pixels = float(len(image_bgr)), _grid(image_bgr)
            patches = _patches(image_bgr)
            self._before = pixels
            if before is not None and before.shape != pixels.shape:
                before = None
        elif poses.image_size is not None:
            height = float(poses.image_size[1])
        weights = np.clip(np.nan_to_num(poses.scores), 0, 1)
        view = View(poses, weights, self._torso, height, pixels, patches, before)
        return np.array([statistic.of(view) for statistic in STATISTICS])

    def forget(self) -> None:
        """Forget the last frame: the next one does not follow it at once."""
        self._before = None


def block_means(values: npt.ArrayLike, frames_per_block: int) -> Floats:
    """Return the (B, S) means over consecutive blocks of frames; frames left over are left out.

    Args:
        values: (T, S) statistics of frames; NaN counts for nothing, a block of NaN alone is NaN.
        frames_per_block: at least 1.

    >>> block_means([[1.0], [3.0], [np.nan], [5.0], [9.0]], 2).tolist()
    [[2.0], [5.0]]
    """
    frames = np.asarray(values, np.float64)
    count = len(frames) // frames_per_block
    blocks = frames[: count * frames_per_block].reshape(count, frames_per_block, frames.shape[1])
    known = ~np.isnan(blocks)
    totals, counts = np.where(known, blocks, 0).sum(axis=1), known.sum(axis=1)
    return np.asarray(np.where(counts > 0, totals / np.maximum(counts, 1), np.nan))


def _grid(image_bgr: Image) -> Pixels:
    down, across = (max(1, side // GRID) for side in image_bgr.shape[:2])
    return image_bgr[down // 2 :: down, across // 2 :: across].astype(np.int16)


def _patches(image_bgr: Image) -> Pixels | None:
    """Return (3, 3, R, C) green of R x C patches of 3 x 3 pixels; None where not one fits in."""
    height, width = image_bgr.shape[:2]
    down, across = max(3, height // PATCHES[0]), max(3, width // PATCHES[1])
    y, x = np.arange(0, height - 2, down), np.arange(0, width - 2, across)
    if not len(y) or not len(x):
        return None
    rows = image_bgr[y + np.arange(3)[:, None]]  # (3, R, W, 3)
    columns = [rows[:, :, offset : offset + x[-1] + 1 : across, 1] for offset in range(3)]
    return np.stack(columns, axis=1, dtype=np.int16)


def _weighted(view: View, values: npt.NDArray[np.floating]) -> float:
    """Return the mean of (N,) values of poses, weighted by their refined scores."""
    known = np.isfinite(values)
    total = float(view.weights[known].sum())
    return float(view.weights[known] @ values[known]) / total if total > EMPTY else math.nan


def _poses(view: View) -> float:
    return float(view.weights.sum())


def _refined_score(view: View) -> float:
    return _weighted(view, view.poses.scores)


def _raw_score(view: View) -> float:
    return _weighted(view, view.poses.estimator_scores)


def _joint_confidence(view: View) -> float:
    return _weighted(view, joint_confidences(view.poses))


def _joints_found(view: View) -> float:
    return _weighted(view, joints_found(view.poses))


def _size(view: View) -> float:
    return _weighted(view, pose_sizes(view.poses, view.height))


def _position(view: View) -> float:
    return _weighted(view, pose_heights(view.poses) / view.height)


def _tilt(view: View) -> float:
    """Return the mean direction of torsos in degrees: 0 upright, above 0 the head to the right."""
    directions = torso_directions(view.poses, view.torso)
    x, y = (_weighted(view, directions[:, axis]) for axis in (0, 1))
    return math.degrees(math.atan2(x, -y))


def _brightness(view: View) -> float:
    return math.nan if view.pixels is None else float(view.pixels.mean())


def _contrast(view: View) -> float:
    return math.nan if view.pixels is None else float(view.pixels[..., 1].std())


def _sharpness(view: View) -> float:
    """Return the mean absolute Laplacian, as a share of the contrast of the same pixels."""
    if view.patches is None:
        return math.nan
    middle = view.patches[1, 1]
    around = view.patches[0, 1] + view.patches[2, 1] + view.patches[1, 0] + view.patches[1, 2]
    contrast = float(middle.std())
    return float(np.abs(around - 4 * middle).mean()) / contrast if contrast else math.nan


def _image_tilt(view: View) -> float:
    """Return the main direction of edges in degrees, in [-45, 45]; it turns with the camera.

    The mean of gradients (Sobel) as complex numbers to the fourth power, in which edges along x and
    along y support each other, weighted by their squared lengths.
    """
    if view.patches is None:
        return math.nan
    pixels = view.patches.astype(np.float32)
    rows, columns = pixels[0] + 2 * pixels[1] + pixels[2], pixels[:, 0] + 2 * pixels[:, 1]
    across, down = rows[2] - rows[0], columns[2] - columns[0] + pixels[2, 2] - pixels[0, 2]
    real, imaginary = across**2 - down**2, 2 * across * down  # the squares
    length = np.maximum(across**2 + down**2, 1)
    cosine = float(((real**2 - imaginary**2) / length).sum())
    sine = float((2 * real * imaginary / length).sum())
    return math.degrees(math.atan2(sine, cosine)) / 4 if cosine or sine else math.nan


def _color(view: View) -> float:
    if view.pixels is None:
        return math.nan
    green = view.pixels[..., 1:2]
    return float(np.abs(view.pixels[..., ::2] - green).mean())


def _motion(view: View) -> float:
    if view.pixels is None or view.before is None:
        return math.nan
    return float(np.abs(view.pixels - view.before).mean())


STATISTICS = (
    Statistic(
        "brightness", "mean brightness", "image darker", "image brighter",
        5.0, 0.15, 0, _brightness,
    ),
    Statistic(
        "contrast", "standard deviation of brightness", "less contrast", "more contrast",
        3.0, 0.15, 0, _contrast,
    ),
    Statistic(
        "sharpness", "mean Laplacian over contrast", "image blurred", "image sharper or noisier",
        0.0, 0.25, 3, _sharpness,
    ),
    Statistic(
        "image_tilt", "main direction of edges in degrees",
        "image turned counterclockwise", "image turned clockwise", 3.0, 0.0, 0, _image_tilt,
    ),
    Statistic(
        "color", "mean difference between color channels",
        "image lost color", "image gained color", 3.0, 0.15, 1, _color,
    ),
    Statistic(
        "motion", "mean difference to the frame before", "less motion", "more motion",
        0.1, 0.5, 2, _motion,
    ),
    Statistic(
        "poses", "expected number of people", "fewer people found", "more people found",
        0.5, 0.0, 1, _poses,
    ),
    Statistic(
        "refined_score", "mean refined score", "refined scores lower", "refined scores higher",
        0.05, 0.0, 2, _refined_score,
    ),
    Statistic(
        "raw_score", "mean raw score", "raw scores lower", "raw scores higher",
        0.05, 0.0, 2, _raw_score,
    ),
    Statistic(
        "joint_confidence", "mean joint confidence of the estimator",
        "joint confidences lower", "joint confidences higher", 0.05, 0.0, 2, _joint_confidence,
    ),
    Statistic(
        "joints_found", "share of joints found", "fewer joints found", "more joints found",
        0.05, 0.0, 2, _joints_found,
    ),
    Statistic(
        "pose_size", "mean size over image height", "people smaller", "people larger",
        0.02, 0.15, 2, _size,
    ),
    Statistic(
        "pose_position", "mean place from top (0) to bottom (1)",
        "people higher in the image", "people lower in the image", 0.05, 0.0, 2, _position,
    ),
    Statistic(
        "pose_tilt", "mean direction of torsos in degrees",
        "people lean to the left", "people lean to the right", 5.0, 0.0, 0, _tilt,
    ),
)  # fmt: skip
NAMES = tuple(statistic.name for statistic in STATISTICS)
