"""A drawing of the poses that only raw or only refined scores keep, of the same number kept.

Skeletons on a plain ground: true positives green, false positives red and dashed. The other poses
of the image that the same scores keep are gray, so that duplicates show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.report.png import DPI, encode_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DrawnPose", "draw_equal_count"]

Floats = npt.NDArray[np.float64]

# Inches; the file has DPI pixels an inch.
WIDTH, EDGE, BETWEEN = 8.0, 0.12, 0.3
TITLE, HEADING, CAPTION, FOOTER = 0.72, 0.55, 0.2, 0.5
INK, SOFT_INK, GROUND, OTHERS = "#22262b", "#5a6470", "#f2f3f5", "#c3c8cf"
COLORS = {True: "#0f9d58", False: "#d6204e"}
PALE = "40"  # opacity of limbs that the estimator doubts
STYLES = {True: "-", False: (0, (1.8, 0.8))}
WORDS = {True: "true", False: "false"}
ROOM = 1.3  # side of a cell's view over the longer side of its pose


@dataclass(frozen=True, eq=False)
class DrawnPose:
    """A pose that only one of the scores keeps.

    Attributes:
        keypoints: (K, 2) image pixels, NaN for a joint that was not found.
        sure: (K,) whether the estimator is confident of the joint; limbs without are pale.
        others: (N, K, 2) the other poses of its image that the same scores keep, NaN for a joint
            that is not drawn.
        is_true: whether it is a true positive.
        ranks: by raw and by refined score.
    """

    keypoints: Floats
    sure: npt.NDArray[np.bool_]
    others: Floats
    is_true: bool
    ranks: tuple[int, int]


def draw_equal_count(
    raw_only: Sequence[DrawnPose],
    refined_only: Sequence[DrawnPose],
    skeleton: Skeleton,
    title: str,
    subtitle: str,
    footer: str,
) -> bytes:
    """Return a PNG, 1600 pixels wide: what only raw scores keep left, only refined ones right.

    Args:
        raw_only: poses that the raw scores keep and the refined ones do not.
        refined_only: the other way round.
        skeleton: of the poses.
        title: a line above both halves.
        subtitle: a line below it.
        footer: lines below.
    """
    count = max(len(raw_only), len(refined_only), 1)
    columns = max(3, math.ceil(math.sqrt(1.3 * count)))
    half = (WIDTH - BETWEEN) / 2 - EDGE
    side = half / columns
    bottom = TITLE + HEADING + math.ceil(count / columns) * (side + CAPTION)
    figure, ax = _page(bottom + FOOTER)
    _text(ax, WIDTH / 2, 0.25, title, fontsize=12.5, fontweight="bold", ha="center")
    _text(ax, WIDTH / 2, 0.5, subtitle, fontsize=9.5, ha="center")
    for left, name, poses in (
        (EDGE, "raw", raw_only),
        (EDGE + half + BETWEEN, "refined", refined_only),
    ):
        _heading(ax, left, name, poses)
        for place, pose in enumerate(sorted(poses, key=lambda pose: (pose.is_true, pose.ranks))):
            row, column = divmod(place, columns)
            corner = (left + column * side, TITLE + HEADING + row * (side + CAPTION))
            _cell(ax, corner, side, pose, skeleton)
    _text(ax, WIDTH / 2, bottom + FOOTER / 2, footer, fontsize=8, color=SOFT_INK, ha="center")
    return encode_image(figure)


def _page(height: float) -> tuple[Figure, Axes]:
    """Return a figure and axes over all of it, in inches from its upper left corner."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((WIDTH, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.set_xlim(0, WIDTH)
    ax.set_ylim(height, 0)
    return figure, ax


def _heading(ax: Axes, left: float, name: str, poses: Sequence[DrawnPose]) -> None:
    """Write what a half shows, and how many of its poses are false and true."""
    _text(ax, left, TITLE + 0.1, f"kept by {name} scores only", fontsize=11, fontweight="bold")
    x = left
    for is_true in (False, True):
        number = sum(pose.is_true == is_true for pose in poses)
        ax.plot([x, x + 0.3], [TITLE + 0.36] * 2, **_line(is_true, 2.4))
        _text(ax, x + 0.38, TITLE + 0.36, f"{number} {WORDS[is_true]}", **_label(is_true, 11))
        x += 1.25


def _cell(
    ax: Axes, corner: tuple[float, float], side: float, pose: DrawnPose, skeleton: Skeleton
) -> None:
    """Draw one pose with its ranks below it."""
    from matplotlib.patches import Rectangle

    inner = 0.94 * side
    frame = Rectangle(corner, inner, inner, facecolor=GROUND, edgecolor="none")
    ax.add_patch(frame)
    low, high = np.nanmin(pose.keypoints, axis=0), np.nanmax(pose.keypoints, axis=0)
    scale = inner / (ROOM * max(float((high - low).max()), 1.0))
    shift = np.array(corner) + inner / 2 - scale * (low + high) / 2
    for other in pose.others:
        _skeleton(ax, scale * other + shift, skeleton, frame, color=OTHERS, linewidth=1.2)
    points, pale = scale * pose.keypoints + shift, COLORS[pose.is_true] + PALE
    _skeleton(ax, points, skeleton, frame, color=pale, linewidth=1.2)
    points = np.where(pose.sure[:, None], points, np.nan)
    _skeleton(ax, points, skeleton, frame, **_line(pose.is_true, 1.9))
    before, after = pose.ranks
    center, below = corner[0] + inner / 2, corner[1] + inner + 0.08
    _text(ax, center, below, f"{before} → {after}", ha="center", **_label(pose.is_true, 7.5))


def _skeleton(ax: Axes, points: Floats, skeleton: Skeleton, frame: Any, **line: Any) -> None:
    for first, second in skeleton.links:
        (drawn,) = ax.plot(*points[[first, second]].T, solid_capstyle="round", **line)
        drawn.set_clip_path(frame)


def _line(is_true: bool, width: float) -> dict[str, Any]:
    return {"color": COLORS[is_true], "linestyle": STYLES[is_true], "linewidth": width}


def _label(is_true: bool, size: float) -> dict[str, Any]:
    return {"color": COLORS[is_true], "fontsize": size, "fontweight": "bold"}


def _text(ax: Axes, x: float, y: float, text: str, **style: Any) -> None:
    ax.text(x, y, text, va="center", **{"color": INK, **style})
