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
    "INDEPENDENT",
    "JOINTS",
    "NO_JOINTS",
    "POSES",
    "PRODUCT",
    "TELLING_SCORE",
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
PRODUCT = "at most the mean joint score"  # box score × mean joint score, or that mean itself
INDEPENDENT = "not bounded by the joint scores"  # a detector's score

POSES = (UNIT, ABOVE_0, ANY_SIGN)  # each holds those before it
JOINTS = (UNIT_JOINTS, UNBOUNDED_JOINTS, CONSTANT_JOINTS, NO_JOINTS)
RELATIONS = (PRODUCT, INDEPENDENT)

OVERSHOOT = 1.1  # a heat map whose peaks should be 1 passes it by a little
SAME = 1e-6  # joint scores that differ by less are constant
# Shares of the poses whose score is at most the mean joint score; between them it is not said. Low
# scores are below that mean in any convention, and say nothing.
PRODUCT_SHARE, INDEPENDENT_SHARE = 0.99, 0.8
TELLING_SCORE, MIN_TELLING_POSES = 0.3, 50


@dataclass(frozen=True)
class ScoreConvention:
    """The range of pose scores and the meaning of joint scores; None where it is not known.

    `relation` says how both go together. `observed` ones were seen in numbers, and may be narrower
    than the truth; `typical` are the 1st and the 99th percentile of these pose scores.

    >>> str(ScoreConvention(UNIT, UNIT_JOINTS))
    'in [0, 1]; joint scores in [0, 1]'
    >>> ScoreConvention.parse("in [0, 1]").poses
    'in [0, 1]'
    """

    poses: str | None
    joints: str | None = None
    relation: str | None = field(default=None, compare=False)  # few poses do not tell it
    observed: bool = field(default=False, compare=False, repr=False)
    typical: tuple[float, float] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        parts = (self.poses, self.joints, self.relation)
        return "; ".join(part for part in parts if part) or "unknown"

    @classmethod
    def parse(cls, text: str) -> ScoreConvention:
        """Return the convention that words describe, as far as they are understood."""
        parts = text.split("; ")
        poses, joints, relation = (
            next((part for part in parts if part in words), None)
            for words in (POSES, JOINTS, RELATIONS)
        )
        return cls(poses, joints, relation)

    @classmethod
    def of(cls, images: Iterable[Poses]) -> ScoreConvention:
        """Return the narrowest convention that the numbers of some images fit.

        >>> poses = Poses(np.ones((2, 17, 2)), np.array([0.2, 1.8]))
        >>> str(ScoreConvention.of([poses]))
        'above 0, without bound; no joint scores'
        """
        raw: list[npt.NDArray[np.float32]] = [np.zeros(0, np.float32)]
        joints, relation = _Range(), _Relation()
        for poses in images:
            raw.append(poses.estimator_scores)
            if poses.keypoint_scores is not None:
                joints.add(poses.keypoint_scores[poses.found])
                relation.add(poses)
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
        meaning = _joints(joints)
        related = relation.name if meaning in JOINTS[:2] else None
        return cls(kind, meaning, related, observed=True, typical=(low, high))


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
        # The other way round is no fault: scores of a detector may be low.
        and (made_for.relation, given.relation) != (PRODUCT, INDEPENDENT)
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
    relation = _widest((), [convention.relation for convention in conventions])
    return ScoreConvention(poses, joints, relation)


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


@dataclass
class _Relation:
    """How many poses have a telling score, and in how many it is at most the mean joint score."""

    telling: int = 0
    bounded: int = 0

    def add(self, poses: Poses) -> None:
        assert poses.keypoint_scores is not None
        found = poses.found.sum(axis=1)
        total = np.where(poses.found, poses.keypoint_scores, 0.0).sum(axis=1)
        scores = poses.estimator_scores
        telling = (scores > TELLING_SCORE) & (found > 0) & np.isfinite(total)
        mean = total[telling] / found[telling]
        self.telling += int(telling.sum())
        self.bounded += int((scores[telling] <= 1.02 * mean + 1e-3).sum())  # files round

    @property
    def name(self) -> str | None:
        """The relation, None where too few poses tell it."""
        if self.telling < MIN_TELLING_POSES:
            return None
        share = self.bounded / self.telling
        return (
            PRODUCT
            if share >= PRODUCT_SHARE
            else INDEPENDENT
            if share <= INDEPENDENT_SHARE
            else None
        )


def _joints(values: _Range) -> str:
    if values.count == 0:
        return NO_JOINTS
    if values.count > 1 and values.highest - values.lowest < SAME:
        return CONSTANT_JOINTS
    return UNIT_JOINTS if _unit(values.lowest, values.highest) else UNBOUNDED_JOINTS


def _unit(lowest: float, highest: float) -> bool:
    return bool(lowest >= 0 and highest <= OVERSHOOT)
