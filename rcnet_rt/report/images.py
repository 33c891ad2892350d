"""Drawings of images whose ranking changed: true positives green, false positives pink."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.coco import Dataset, Image
from rcnet_rt.errors import DatasetError, SourceError
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.metrics import TRUE_POSITIVE
from rcnet_rt.poses.frame import Image as Pixels
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.report.numbers import Floats, ImageChange, Pair
from rcnet_rt.report.png import DPI, encode_image
from rcnet_rt.video.images import read_image
from rcnet_rt.video.overlay import FAR, MIN_JOINT_CONFIDENCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MAX_POSES_DRAWN", "Order", "ImageComparison", "Place", "compare_images"]

# By state: color and style of the lines; face color, text color and shape of the number.
LINES = {
    "true": ("#12b76a", "-"),
    "false": ("#f04fa0", (0, (2.2, 1.1))),
    "ignored": ("#5a6470", (0, (0.8, 0.8))),
}
NUMBERS = {
    "true": ("#0a7a46", "white", "circle"),
    "false": ("#ff8cc6", "black", "square"),
    "ignored": ("#dfe2e6", "black", "round"),
}
MAX_POSES_DRAWN = 9
LONG_SIDE = 4.2  # inches


@dataclass(frozen=True)
class Place:
    """One pose of a ranking.

    Attributes:
        number: rank, from 1.
        state: true or false positive at OKS 0.5, or on a person whom COCO ignores.
        oks: matched OKS.
        score: by which it is ranked.
    """

    number: int
    state: Literal["true", "false", "ignored"]
    oks: float
    score: float


@dataclass(frozen=True)
class Order:
    """The drawn poses of an image by falling score, and the drawing as PNG."""

    places: tuple[Place, ...]
    png: bytes


@dataclass(frozen=True)
class ImageComparison:
    """An image with its raw and refined ranking; `complete`: all people are annotated."""

    image: Image
    complete: bool
    change: ImageChange
    orders: Pair[Order]


def compare_images(
    data: LabeledResults,
    refined: Floats,
    changes: Sequence[ImageChange],
    dataset: Dataset,
    limit: int,
) -> Iterator[ImageComparison]:
    """Yield the first `limit` of the changed images whose image file can be read."""
    drawn = 0
    for change in changes:
        if drawn == limit:
            return
        image = data.ground_truth.images[change.image]
        try:
            pixels = read_image(dataset.image_path(image))
        except (DatasetError, SourceError):
            continue
        drawn += 1
        complete = image.id in data.ground_truth.complete
        yield ImageComparison(image, complete, change, _orders(data, refined, image.id, pixels))


def _orders(data: LabeledResults, refined: Floats, image: int, pixels: Pixels) -> Pair[Order]:
    """Draw both rankings down to the lowest true positive: poses below it do not affect AP."""
    entries = data.poses[image].entries
    oks = data.match.target[entries]
    sorted_by = [np.argsort(-s[entries], kind="stable") for s in (data.scores, refined)]
    lowest = [np.flatnonzero(oks[order] >= TRUE_POSITIVE).max(initial=1) for order in sorted_by]
    count = min(int(max(lowest)) + 1, MAX_POSES_DRAWN)
    before, after = (
        _order(data, scores, image, order[:count], pixels)
        for scores, order in zip((data.scores, refined), sorted_by, strict=True)
    )
    return Pair(before, after)


def _order(
    data: LabeledResults, scores: Floats, image: int, order: npt.NDArray[np.int64], pixels: Pixels
) -> Order:
    item = data.poses[image]
    entries = item.entries[order]
    oks, counted = data.match.target[entries], data.match.weight[entries] > 0
    states = np.where(counted, np.where(oks >= TRUE_POSITIVE, "true", "false"), "ignored")
    places = tuple(
        Place(number, *place)
        for number, place in enumerate(
            zip(states.tolist(), oks.tolist(), scores[entries].tolist(), strict=True), 1
        )
    )
    poses = item.poses[order]
    points = np.clip(poses.keypoints, -FAR, FAR).astype(np.float64)
    if poses.keypoint_scores is not None:
        points[poses.keypoint_scores < MIN_JOINT_CONFIDENCE] = np.nan
    return Order(places, _draw(pixels, points, places, data.ground_truth.skeleton))


def _draw(pixels: Pixels, points: Floats, places: Sequence[Place], skeleton: Skeleton) -> bytes:
    """Draw poses on a faded gray image, the first on top, and return a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = pixels.shape[:2]
    scale = LONG_SIDE / max(height, width)
    figure = Figure((max(width * scale, 0.5), max(height * scale, 0.5)), dpi=DPI)
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    grey = pixels @ np.array([0.114, 0.587, 0.299])  # blue, green, red
    ax.imshow(90 + grey * (165 / 255), cmap="gray", vmin=0, vmax=255, aspect="auto")
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    for pose, place in reversed(list(zip(points, places, strict=True))):
        _skeleton(ax, pose, place, skeleton)
    margin = 0.12 / scale  # pixels between a number and the edge or another number
    taken: list[Floats] = []
    for pose, place in zip(points, places, strict=True):
        if (spot := _free_spot(pose, taken, (width, height), margin)) is not None:
            taken.append(spot)
            _number(ax, spot, place)
    return encode_image(figure)


def _skeleton(ax: Axes, pose: Floats, place: Place, skeleton: Skeleton) -> None:
    color, style = LINES[place.state]
    for first, second in skeleton.links:
        ax.plot(*pose[[first, second]].T, color=color, linestyle=style, linewidth=1.7)


def _free_spot(
    pose: Floats, taken: Sequence[Floats], size: tuple[int, int], margin: float
) -> Floats | None:
    """Return the position of a pose's number: above its highest joint, beside other numbers."""
    found = pose[np.isfinite(pose).all(axis=1)]
    if not len(found):
        return None
    x, y = found[found[:, 1].argmin()]
    low, high = margin, np.maximum(np.array(size) - margin, margin)
    beside = (0, 1, -1, 2, -2, 3, -3)
    spots = [np.clip((x + 2 * margin * step, y - margin), low, high) for step in beside]
    for spot in spots:
        if all(np.abs(spot - other).max() >= 1.9 * margin for other in taken):
            return np.asarray(spot)
    return np.asarray(spots[0])


def _number(ax: Axes, spot: Floats, place: Place) -> None:
    face, ink, shape = NUMBERS[place.state]
    box = {"boxstyle": f"{shape},pad=0.22", "facecolor": face, "edgecolor": "white", "lw": 0.8}
    x, y = spot
    ax.text(
        x,
        y,
        str(place.number),
        fontsize=8.5,
        fontweight="bold",
        color=ink,
        ha="center",
        va="center",
        bbox=box,
    )
