"""Lines of text on filled rectangles, placed so that they do not cover each other."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rcnet_rt.poses.frame import Image

__all__ = ["Style", "place", "write"]

FONT = cv2.FONT_HERSHEY_SIMPLEX

Color = tuple[int, int, int]  # blue, green, red
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Style:
    """How labels look.

    Attributes:
        scale: of the font.
        width: of its lines, in pixels.
        padding: pixels between the text and the edge of its rectangle.
    """

    scale: float
    width: int
    padding: int

    def size(self, text: str) -> tuple[int, int]:
        """Return the (width, height) of a label in pixels."""
        (width, height), _ = cv2.getTextSize(text, FONT, self.scale, self.width)
        return width + 2 * self.padding, height + 2 * self.padding


def place(wanted: Integers, sizes: Integers, scene_size: tuple[int, int]) -> Integers:
    """Return the (N, 2) x, y of the upper left corners of labels inside a scene.

    A label moves up or down, by its height as often as needed, where one after it stands already;
    it stays where nothing is free.

    Args:
        wanted: (N, 2) x, y of their upper left corners; the last gets its place first.
        sizes: (N, 2) their widths and heights.
        scene_size: (width, height).

    >>> place(np.array([[5, 9], [5, 9], [90, 50]]), np.full((3, 2), 20), (100, 100)).tolist()
    [[5, 29], [5, 9], [80, 50]]
    """
    free = np.maximum(np.array(scene_size) - sizes, 0)
    placed = np.clip(wanted, 0, free)
    steps = np.arange(1, len(placed) + 1)
    moves = np.concatenate([[0], np.column_stack([-steps, steps]).ravel()])
    for index in reversed(range(len(placed) - 1)):
        tries = np.stack(
            np.broadcast_arrays(placed[index, 0], placed[index, 1] + moves * sizes[index, 1]),
            axis=1,
        )
        inside = (tries[:, 1] >= 0) & (tries[:, 1] <= free[index, 1])
        others = slice(index + 1, None)
        before = tries[:, None] < placed[others] + sizes[others]
        behind = placed[others] < tries[:, None] + sizes[index]
        alone = ~(before & behind).all(axis=2).any(axis=1)
        if (inside & alone).any():
            placed[index] = tries[(inside & alone).argmax()]
    return placed


def write(
    scene: Image, text: str, corner: npt.NDArray[np.int64], style: Style, *, color: Color, on: Color
) -> None:
    """Write a label in place.

    Args:
        scene: (H, W, 3) uint8, blue first.
        text: one line.
        corner: (2,) x, y of the upper left corner of its rectangle.
        style: of the label.
        color: of the text.
        on: of the rectangle.
    """
    x, y = map(int, corner)
    width, height = style.size(text)
    cv2.rectangle(scene, (x, y), (x + width, y + height), on, -1)
    baseline = (x + style.padding, y + height - style.padding)
    cv2.putText(scene, text, baseline, FONT, style.scale, color, style.width, cv2.LINE_AA)
