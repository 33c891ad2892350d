"""Joint orders of OpenPose files and their imitators, and how they are told apart.

The format names no joints, and some orders have equally many: BODY_25 and BODY_25B, OpenPose's COCO
model and COCO's order with a neck. In the right order limbs are short for the size of the person;
in a wrong one they cross the body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LAYOUTS", "Layout", "choose_layout"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layout:
    """An order of joints.

    Attributes:
        name: of the model that has it.
        count: how many joints.
        coco: indices of COCO's 17 joints.
    """

    name: str
    count: int
    coco: tuple[int, ...]


FIRST_17 = tuple(range(17))
BODY_25 = (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11)
COCO_18 = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)

# Of equally many joints, the first is assumed unless a later one fits better.
LAYOUTS = (
    Layout("COCO17", 17, FIRST_17),
    Layout("COCO_18", 18, COCO_18),
    Layout("COCO17 with a neck", 18, FIRST_17),
    Layout("BODY_19", 19, BODY_25),
    Layout("BODY_25", 25, BODY_25),
    Layout("BODY_25B", 25, FIRST_17),
    Layout("Halpe26", 26, FIRST_17),
    Layout("COCO-WholeBody", 133, FIRST_17),
    Layout("BODY_135", 135, FIRST_17),
    Layout("Halpe136", 136, FIRST_17),
)

# Pairs of COCO's joints: face, arms, trunk, legs.
LIMBS = np.array(
    [
        *((0, 1), (0, 2), (1, 3), (2, 4), (5, 7), (7, 9), (6, 8), (8, 10)),
        *((5, 6), (11, 12), (5, 11), (6, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
    ]
)
MIN_LIMBS = 4  # a person with fewer tells nothing
MIN_WIDTH = 0.08  # nor does one whose joints are nearly on a line: width by length
CLEARLY = 0.75  # limbs this much shorter are those of another order


def choose_layout(people: Sequence[Floats]) -> Layout:
    """Return the order of joints of (J, 3) people, x, y, confidence, all with equally many.

    Raises:
        ValueError: no order has so many joints.
    """
    count = len(people[0])
    fitting = [layout for layout in LAYOUTS if layout.count == count]
    if not fitting:
        known = ", ".join(str(number) for number in sorted({item.count for item in LAYOUTS}))
        raise ValueError(f"{count} joints; expected one of {known}")
    if len(fitting) == 1:
        return fitting[0]
    lengths = np.array([[_limb_length(values, layout) for layout in fitting] for values in people])
    lengths = lengths[~np.isnan(lengths).any(axis=1)]
    if len(lengths) == 0:
        return fitting[0]
    mean = np.median(lengths, axis=0)
    best = int(mean.argmin())
    return fitting[best] if mean[best] < CLEARLY * mean[0] else fitting[0]


def _limb_length(values: Floats, layout: Layout) -> float:
    """Return the mean length of a person's limbs in one order, by the extent of all joints."""
    found = values[:, 2] > 0
    joints, there = values[list(layout.coco), :2], found[list(layout.coco)]
    known = there[LIMBS].all(axis=1)
    if known.sum() < MIN_LIMBS or _width(values[found, :2]) < MIN_WIDTH:
        return float("nan")
    extent = float(np.ptp(values[found, :2], axis=0).max())
    ends = joints[LIMBS[known]]
    return float(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1).mean()) / max(extent, 1e-6)


def _width(points: Floats) -> float:
    """Return the standard deviation of (J, 2) points across their main axis by that along it."""
    across, along = np.linalg.eigvalsh(np.cov(points.T.astype(np.float64)))
    return float(np.sqrt(max(across, 0) / max(along, 1e-12)))
