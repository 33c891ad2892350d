"""What an estimator's scores are: the range of its pose scores, and what its joint scores mean.

The same number says different things: YOLO-Pose's score is a probability, a sum over body parts
passes 1, a query's logit may be negative; some joint scores are peaks of a heat map, some are the
same for every joint, some are not there at all. Weights trained on one convention make nonsense of
another, so that both sides say theirs, in words, and are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import WeightsError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.mistakes import UNIT_RANGE, Expected, Range
from rcnet_rt.rescoring.weights import Weights

__all__ = [
    "ABOVE_0",
    "ANY_SIGN",
    "CONSTANT_JOINTS",
    "JOINTS",
    "NO_JOINTS",
    "POSES",
    "UNBOUNDED_JOINTS",
    "UNIT",
    "UNIT_JOINTS",
    "ScoreConvention",
    "check_convention",
    "expected_by",
    "widest",
]

UNIT, ABOVE_0, ANY_SIGN = "in [0, 1]", "above 0, without bound", "of any sign"
UNIT_JOINTS, UNBOUNDED_JOINTS = "joint scores in [0, 1]", "joint scores without bound"
CONSTANT_JOINTS, NO_JOINTS = "constant joint scores", "no joint scores"

POSES = (UNIT, ABOVE_0, ANY_SIGN)  # each holds those before it
JOINTS = (UNIT_JOINTS, UNBOUNDED_JOINTS, CONSTANT_JOINTS, NO_JOINTS)

OVERSHOOT = 1.1  # a heat map whose peaks should be 1 passes it by a little
SAME = 1e-6  # joint scores that differ by less are constant


@dataclass(frozen=True)
class ScoreConvention:
    """The range of pose scores and the meaning of joint scores; None where it is not known.

    `observed` ones were seen in numbers, and may be narrower than the truth; `typical` are the
    1st and the 99th percentile of these pose scores.

    >>> str(ScoreConvention(UNIT, UNIT_JOINTS))
    'in [0, 1]; joint scores in [0, 1]'
    >>> ScoreConvention.parse("in [0, 1]")
    ScoreConvention(poses='in [0, 1]', joints=None)
    """

    poses: str | None
    joints: str | None = None
    observed: bool = field(default=False, compare=False, repr=False)
    typical: tuple[float, float] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return "; ".join(part for part in (self.poses, self.joints) if part) or "unknown"

    @classmethod
    def parse(cls, text: str) -> ScoreConvention:
        """Return the convention that words describe, as far as they are understood."""
        parts = text.split("; ")
        return cls(
            next((part for part in parts if part in POSES), None),
            next((part for part in parts if part in JOINTS), None),
        )

    @classmethod
    def of(cls, images: Iterable[Poses]) -> ScoreConvention:
        """Return the narrowest convention that the numbers of some images fit.

        >>> poses = Poses(np.ones((2, 17, 2)), np.array([0.2, 1.8]))
        >>> str(ScoreConvention.of([poses]))
        'above 0, without bound; no joint scores'
        """
        raw, joints = [np.zeros(0, np.float32)], _Range()
        for poses in images:
            raw.append(poses.estimator_scores)
            if poses.keypoint_scores is not None:
                joints.add(poses.keypoint_scores[poses.found])
        scores = np.concatenate(raw).astype(np.float64)
        scores = scores[np.isfinite(scores)]
        if len(scores) == 0:
            return cls(None, observed=True)
        kind = (
            UNIT
            if _unit(scores.min(), scores.max())
            else ABOVE_0
            if scores.min() >= 0
            else ANY_SIGN
        )
        low, high = np.quantile(scores, (0.01, 0.99)).tolist()
        return cls(kind, _joints(joints), observed=True, typical=(low, high))


# Joint scores of any estimator: probabilities, or peaks of up to 6.
ANY_JOINTS = Range(0.0, 1.0, slack=9.0)


def expected_by(weights: Weights) -> Expected:
    """Return the ranges of scores that weights were made for, as far as they say so."""
    if weights.is_baseline:
        return Expected()
    convention = ScoreConvention.parse(weights.score_convention)
    scores = UNIT_RANGE if convention.poses == UNIT else None
    if scores is None and weights.score_range is not None:
        low, high = weights.score_range
        scores = Range(low, high, slack=high - low)
    joints = {UNIT_JOINTS: UNIT_RANGE, None: ANY_JOINTS}.get(convention.joints)
    return Expected(scores, joints)


def check_convention(weights: Weights, given: ScoreConvention, subject: str) -> None:
    """Check that weights were made for scores such as these of a subject; a baseline takes any.

    Raises:
        WeightsError: they were made for another convention.
    """
    made_for = ScoreConvention.parse(weights.score_convention)
    _check_range(weights, given, subject)
    if weights.is_baseline or (
        _fits(POSES, made_for.poses, given.poses, given.observed)
        and _fits(JOINTS[:2], made_for.joints, given.joints, given.observed)
    ):
        return
    raise WeightsError(
        f"weights {weights.name!r} are made for scores {made_for}, and {subject} have scores "
        f"{given}: refined ones would mean nothing; give --weights generic, formula:NAME, or "
        "weights trained on this estimator"
    )


def _check_range(weights: Weights, given: ScoreConvention, subject: str) -> None:
    """Check that most raw scores lie where those that the weights were trained on did."""
    expected = expected_by(weights).scores
    if expected is None or given.typical is None or expected is UNIT_RANGE:
        return
    low, high = given.typical
    if high > expected.high + expected.slack or low < expected.low - expected.slack:
        raise WeightsError(
            f"weights {weights.name!r} were trained on raw scores of {expected.low:.3g} to "
            f"{expected.high:.3g}, and {subject} have scores of {low:.3g} to {high:.3g}: another "
            "model or another score of the same; give --weights generic, formula:NAME, or weights "
            "trained on this estimator"
        )


def widest(conventions: Sequence[ScoreConvention]) -> ScoreConvention:
    """Return the narrowest convention that holds several; unknown is what no convention holds.

    >>> str(widest([ScoreConvention(UNIT, UNIT_JOINTS), ScoreConvention(ABOVE_0, UNIT_JOINTS)]))
    'above 0, without bound; joint scores in [0, 1]'
    >>> str(widest([ScoreConvention(UNIT, UNIT_JOINTS), ScoreConvention(UNIT, NO_JOINTS)]))
    'in [0, 1]'
    """
    poses = _widest(POSES, [convention.poses for convention in conventions])
    joints = _widest(JOINTS[:2], [convention.joints for convention in conventions])
    return ScoreConvention(poses, joints)


def _widest(order: Sequence[str], given: Sequence[str | None]) -> str | None:
    """Return the last of those given in an order of which each holds those before it."""
    if len(set(given)) == 1:
        return given[0]
    known = [each for each in given if each in order]
    return max(known, key=order.index) if len(known) == len(given) else None


def _fits(order: Sequence[str], made_for: str | None, given: str | None, observed: bool) -> bool:
    """Whether they are the same; of what was observed, a narrower range will do."""
    if made_for is None or given is None or made_for == given:
        return True
    if not observed or made_for not in order or given not in order:
        return False
    return order.index(given) < order.index(made_for)


@dataclass
class _Range:
    """The lowest and highest of some finite numbers."""

    count: int = 0
    lowest: float = np.inf
    highest: float = -np.inf

    def add(self, values: npt.NDArray[np.float32]) -> None:
        finite = values[np.isfinite(values)]
        if len(finite):
            self.count += len(finite)
            self.lowest = min(self.lowest, float(finite.min()))
            self.highest = max(self.highest, float(finite.max()))


def _joints(values: _Range) -> str:
    if values.count == 0:
        return NO_JOINTS
    if values.count > 1 and values.highest - values.lowest < SAME:
        return CONSTANT_JOINTS
    return UNIT_JOINTS if _unit(values.lowest, values.highest) else UNBOUNDED_JOINTS


def _unit(lowest: float, highest: float) -> bool:
    return bool(lowest >= 0 and highest <= OVERSHOOT)
