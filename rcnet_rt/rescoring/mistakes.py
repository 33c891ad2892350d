"""Likely mistakes of a caller: boxes as x, y, width, height, scores in percent, absent joints at 0.

Shapes cannot tell them. Looking closely at every frame would cost more than rescoring, so that a
few numbers of a frame (`Evidence`) decide whether it is worth looking at (`is_suspicious`); what is
then found (`find`) is said in a sentence with the way to mend it. Right input is never suspicious
for long, and nothing is found in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rcnet_rt.poses.arrays import Array, is_torch
from rcnet_rt.rescoring.constants import FLAGS, GROWN
from rcnet_rt.rescoring.inputs import PoseInputs

__all__ = [
    "UNIT_RANGE",
    "Evidence",
    "Expected",
    "Mistake",
    "Range",
    "are_whole",
    "evidence",
    "find",
    "is_suspicious",
]

Floats = npt.NDArray[np.float64]

FEWEST_JOINTS = 3  # of a pose, to say where it is
FEWEST_POSES = 3  # with a box that does not hold them
NORMALISED = 2.0  # pixels: no person is smaller, and coordinates over the image size are
SHARE = 0.7  # of the poses of a frame with the same fault are a mistake, not a bad pose


class Evidence(NamedTuple):
    """What decides whether a frame is looked at.

    Attributes:
        misplaced_boxes: boxes whose corners are reversed, or that do not hold the middle of the
            pose's extent.
        zero_joints: found joints at exactly (0, 0).
        max_coordinate: of the found joints, in absolute value.
        min_score: of the poses.
        max_score: likewise.
        min_joint_score: of the found joints.
        max_joint_score: likewise.
        unflagged: joint scores that are none of 0, 1 and 2; -1 where there are no joint scores.
    """

    misplaced_boxes: float
    zero_joints: float
    max_coordinate: float
    min_score: float
    max_score: float
    min_joint_score: float
    max_joint_score: float
    unflagged: float


class Range(NamedTuple):
    """Numbers from `low` to `high`; what passes them by no more than `slack` is not suspicious."""

    low: float
    high: float
    slack: float


UNIT_RANGE = Range(0.0, 1.0, 0.5)  # peaks of a heat map pass 1 by up to 0.2


@dataclass(frozen=True)
class Expected:
    """What the weights were trained on; None where anything is right.

    Attributes:
        scores: of the poses.
        joint_scores: of the joints.
    """

    scores: Range | None = None
    joint_scores: Range | None = None


@dataclass(frozen=True)
class Mistake:
    """A likely mistake: which input, and a sentence with what was got and how to mend it."""

    kind: str
    sentence: str


def evidence(inputs: PoseInputs) -> Evidence:
    """Return the evidence of a frame with at least one pose, in NumPy, with as few calls as can be.

    It may be less sharp than what a kernel collects, joint by joint.
    """
    points, scores = inputs.keypoints, inputs.scores.tolist()
    flat = points.reshape(-1)
    farthest = max(-float(np.fmin.reduce(flat)), float(np.fmax.reduce(flat)))
    zeros = np.count_nonzero(flat) < flat.size and np.count_nonzero((points == 0).all(axis=2))
    lowest, highest, unflagged = np.nan, np.nan, -1.0
    if inputs.keypoint_scores is not None:
        joint_scores = inputs.keypoint_scores.reshape(-1)
        lowest, highest = float(np.fmin.reduce(joint_scores)), float(np.fmax.reduce(joint_scores))
        unflagged = float(sum(score not in FLAGS for score in joint_scores[:5].tolist()))
    return Evidence(
        misplaced_boxes=0.0 if inputs.boxes is None else _misplaced(points, inputs.boxes),
        zero_joints=float(zeros),
        max_coordinate=farthest,
        min_score=min(scores),
        max_score=max(scores),
        min_joint_score=lowest,
        max_joint_score=highest,
        unflagged=unflagged,
    )


def _misplaced(points: Array, boxes: Array) -> float:
    """Return how many boxes are reversed, or farther from their pose than their own size."""
    by_joint = points.transpose(1, 0, 2).reshape(points.shape[1], -1)  # a copy: quicker to reduce
    middle = np.fmin.reduce(by_joint, axis=0) + np.fmax.reduce(by_joint, axis=0)
    corner, other = boxes[:, :2], boxes[:, 2:]
    apart = np.abs(middle.reshape(-1, 2) - corner - other) > 2 * (other - corner)
    return float(np.count_nonzero(apart))


def is_suspicious(seen: Evidence, expected: Expected) -> bool:
    """Return whether a frame is worth looking at."""
    return (
        seen.misplaced_boxes > 0
        or seen.zero_joints > 0
        or seen.max_coordinate <= NORMALISED
        or _is_outside(seen.min_score, seen.max_score, expected.scores)
        or _is_outside(seen.min_joint_score, seen.max_joint_score, expected.joint_scores)
        or (seen.unflagged == 0 and expected.joint_scores is not None)
    )


def find(inputs: PoseInputs, expected: Expected) -> list[Mistake]:
    """Return the likely mistakes of a frame, or of the frames of a pack, in NumPy."""
    found = ~np.isnan(inputs.keypoints).any(axis=2)
    values = {
        "boxes": _boxes(inputs, found & inputs.keypoints.any(axis=2)),
        "absent joints": _zero_joints(inputs, found),
        "keypoints": _normalised(inputs, found),
        "scores": _scores("scores", inputs.scores, expected.scores),
        "keypoint_scores": _joint_scores(inputs, found, expected),
    }
    return [Mistake(kind, sentence) for kind, sentence in values.items() if sentence]


def are_whole(scores: object) -> bool:
    """Return whether scores came as whole numbers: they were probably rounded.

    >>> are_whole([1, 0]), are_whole(np.array([0.5]))
    (True, False)
    """
    if isinstance(scores, np.ndarray):
        return scores.dtype.kind in "iub"
    if is_torch(scores):
        return not scores.is_floating_point()  # type: ignore[attr-defined]
    return isinstance(scores, (list, tuple)) and all(type(score) is int for score in scores)


def _is_outside(low: float, high: float, expected: Range | None) -> bool:
    return expected is not None and (
        low < expected.low - expected.slack or high > expected.high + expected.slack
    )


def _readings(boxes: Floats, size: tuple[float, float] | None) -> Iterator[tuple[str, Floats]]:
    """Yield what else the numbers may be, with the corners that they would mean."""
    first, second = boxes[:, :2], boxes[:, 2:]
    yield "x, y, width, height", np.concatenate([first, first + second], axis=1)
    yield (
        "centre x, centre y, width, height",
        np.concatenate([first - second / 2, first + second / 2], axis=1),
    )
    yield "y1, x1, y2, x2", boxes[:, [1, 0, 3, 2]]
    if size is not None:
        yield "corners divided by the image size", boxes * np.tile(size, 2)


def _boxes(inputs: PoseInputs, found: npt.NDArray[np.bool_]) -> str | None:
    if inputs.boxes is None:
        return None
    counted = (found.sum(axis=1) >= FEWEST_JOINTS) & np.isfinite(inputs.boxes).all(axis=1)
    if not counted.any():
        return None
    boxes = np.asarray(inputs.boxes, np.float64)[counted]
    middle = _middle(np.where(found[..., None], inputs.keypoints, np.nan)[counted])
    backwards: npt.NDArray[np.bool_] = np.less(boxes[:, 2:], boxes[:, :2]).any(axis=1)
    wrong = backwards | (_offset(boxes, middle) > 0.5 + GROWN)
    if wrong.sum() <= SHARE * len(boxes):
        return None
    size = inputs.image_size if isinstance(inputs.image_size, tuple) else None
    offsets = {
        reading: float(np.median(_offset(corners, middle)[wrong]))
        for reading, corners in _readings(boxes, size)
    }
    best = min(offsets, key=lambda reading: offsets[reading])
    is_read = offsets[best] < GROWN
    # One or two poses may be bad ones; corners that are reversed are no box at all.
    if wrong.sum() < FEWEST_POSES and not backwards.any():
        return None
    what = (
        f"{backwards.sum()} of {len(boxes)} have x2 < x1 or y2 < y1"
        if backwards.any()
        else f"{wrong.sum()} of {len(boxes)} do not hold their keypoints"
    )
    guess = f"; are these {best}?" if is_read else "."
    return f"boxes: {what}{guess} Give x1, y1, x2, y2 in image pixels."


def _middle(points: Floats) -> Floats:
    """Return the (N, 2) middle of the extent of poses."""
    low, high = np.fmin.reduce(points, axis=1), np.fmax.reduce(points, axis=1)
    return np.asarray((low + high) / 2, np.float64)


def _offset(boxes: Floats, points: Floats) -> Floats:
    """Return how far points are from the centres of boxes, in sides; infinite without a box."""
    sides = boxes[:, 2:] - boxes[:, :2]
    distance = np.abs(points - (boxes[:, :2] + boxes[:, 2:]) / 2)
    in_sides = np.where(sides > 0, distance / np.maximum(sides, 1e-9), np.inf)
    return np.asarray(in_sides.max(axis=1), np.float64)


def _zero_joints(inputs: PoseInputs, found: npt.NDArray[np.bool_]) -> str | None:
    """Joints at (0, 0) that are not there: without confidence, or far from their pose."""
    zero = found & (inputs.keypoints == 0).all(axis=2)
    others = found & ~zero
    if not zero.any():
        return None
    points = np.where(others[..., None], inputs.keypoints, np.nan)
    low, high = np.fmin.reduce(points, axis=1), np.fmax.reduce(points, axis=1)
    far = (low > (high - low).max(axis=1)[:, None]).any(axis=1)
    absent = zero & far[:, None] & (others.sum(axis=1) >= FEWEST_JOINTS)[:, None]
    if inputs.keypoint_scores is not None:
        absent |= zero & (inputs.keypoint_scores == 0)
    poses = int(absent.any(axis=1).sum())
    if poses == 0:
        return None
    return (
        f"keypoints: {int(absent.sum())} joints of {poses} poses lie at exactly (0, 0); are these "
        "joints that were not found? Give NaN for them."
    )


def _normalised(inputs: PoseInputs, found: npt.NDArray[np.bool_]) -> str | None:
    points = np.abs(inputs.keypoints[found])
    points = points[points.any(axis=1)]
    if len(points) < FEWEST_JOINTS or points.max() > NORMALISED:
        return None
    return (
        f"keypoints: no coordinate is larger than {points.max():.3g} pixels; are they divided by "
        "the image size? Give image pixels."
    )


def _joint_scores(
    inputs: PoseInputs, found: npt.NDArray[np.bool_], expected: Expected
) -> str | None:
    if inputs.keypoint_scores is None or expected.joint_scores is None:
        return None
    values = inputs.keypoint_scores[found]
    enough = len(values) >= inputs.keypoints.shape[1]
    if enough and np.isin(values, FLAGS).all() and not (values == values[0]).all():
        return (
            "keypoint_scores: all are 0, 1 or 2; are these flags of visibility? Leave "
            "keypoint_scores out, and give NaN keypoints for joints that were not found."
        )
    return _scores("keypoint_scores", values, expected.joint_scores)


def _scores(name: str, values: Array, expected: Range | None) -> str | None:
    finite = values[np.isfinite(values)]
    if expected is None or len(finite) == 0:
        return None
    low, high = float(finite.min()), float(finite.max())
    if not _is_outside(low, high, expected):
        return None
    guess = (
        "are these logits? Apply the sigmoid."
        if low < expected.low - expected.slack
        else "are these percent, 8-bit, or another tool's? Give the estimator's own, or use the "
        "weights generic."
    )
    return (
        f"{name}: got {low:.3g} to {high:.3g}, and the weights were trained on "
        f"{expected.low:.3g} to {expected.high:.3g}; {guess}"
    )
