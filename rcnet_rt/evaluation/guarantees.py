"""Score thresholds that keep a requirement on new images with a chosen probability.

Learn then Test (Angelopoulos et al., 2021, arXiv:2110.01052): whether a threshold breaks the
requirement is a hypothesis on the mean of a loss per image, and thresholds are tested one after the
other from a safe one on until one cannot be rejected. The images are the independent units: the
poses of an image are not.

The test is the empirical likelihood ratio (Owen, 2001), with one more image of the largest single
error added, so that a few images without any error prove nothing. Its level is asymptotic. Bounds
that hold for every number of images (betting on bounded losses; Waudby-Smith and Ramdas, 2024) need
a bound on the false positives of an image, and with 20 they reject nothing at precision 0.95 on
1,540 images; `benchmarks/studies/guarantees` compares both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from rcnet_rt.evaluation.thresholds import (
    FALSE_POSITIVES,
    PRECISION,
    RECALL,
    OperatingPoint,
    Requirement,
    operating_points,
)

__all__ = ["Guarantee", "ScoredImages", "guaranteed_threshold", "likelihood_ratio_z"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Evidence = Callable[[Floats, float], float]

CANDIDATES = 1000  # thresholds that are tested at most: quantiles of the scores
START_STEP = 12  # only every twelfth is tried as the start
START_SHARE = 0.1  # of the error probability: for finding where to start
POWER = 0.8  # probability of success with the number of images that is estimated
FLATTERY = 0.5  # by how much the evidence at the best of several starts is too large, roughly
MAX_ITERATIONS = 60
NORMAL = NormalDist()


@dataclass(frozen=True, eq=False)
class ScoredImages:
    """N scored poses on I images, of which each may hold none.

    Attributes:
        scores: (N,).
        oks: (N,) matched OKS, 0 for duplicates and background; leave out poses of weight 0.
        image: (N,) index of the image, from 0 to I - 1.
        people: (I,) number of people to be found on each image.
    """

    scores: Floats
    oks: Floats
    image: Integers
    people: Integers

    def take(self, images: Integers) -> ScoredImages:
        """Return the poses of (J,) images, each as often as its index occurs."""
        order = np.argsort(self.image, kind="stable")
        counts = np.bincount(self.image, minlength=len(self.people))
        first, length = np.cumsum(counts) - counts, counts[images]
        offset = np.repeat(first[images] - (np.cumsum(length) - length), length)
        rows = order[offset + np.arange(len(offset))]
        image = np.repeat(np.arange(len(images)), length)
        return ScoredImages(self.scores[rows], self.oks[rows], image, self.people[images])


@dataclass(frozen=True)
class Guarantee:
    """The threshold that keeps a requirement with a probability, or what it would take.

    Attributes:
        requirement: what is to be kept.
        assurance: probability, over the choice of the labeled images, that it is kept.
        images: number of labeled images.
        point: the threshold, with its figures on these images; None where they are too few.
        images_needed: rough number of labeled images with which there is a threshold in four of
            five cases; None where there is one, and where many times as many would not do.
    """

    requirement: Requirement
    assurance: float
    images: int
    point: OperatingPoint | None
    images_needed: int | None = None

    @property
    def sentence(self) -> str:
        """Why there is no threshold."""
        text = (
            f"{self.images:,} images cannot assure {self.requirement} "
            f"with probability {self.assurance:g}"
        )
        if self.images_needed is None:
            return f"{text}, nor would many times as many: lower the requirement."
        return f"{text}: about {self.images_needed:,} labeled images like these would be needed."


def likelihood_ratio_z(losses: npt.ArrayLike, largest_error: float) -> float:
    """Return the evidence that the mean of (I,) losses is below 0, as a standard normal quantile.

    The signed root of the empirical likelihood ratio of the hypothesis that the mean is 0, with one
    more loss of `largest_error` > 0; 0 where the mean is not below 0. Large: reject.

    >>> likelihood_ratio_z([0.95], 0.95)
    0.0
    >>> 1.3 < likelihood_ratio_z([-0.05] * 59, 0.95) < 1.4  # 59 of 59 right: p = 0.048 exactly
    True
    """
    values = np.append(np.asarray(losses, np.float64), largest_error)
    values, repeats = np.unique(values[values != 0], return_counts=True)
    if repeats @ values >= 0:
        return 0.0
    low, high = 0.0, 1 / values[-1]
    rate = min(-(repeats @ values) / (repeats @ values**2), high / 2)
    for _ in range(MAX_ITERATIONS):
        share = values / (1 - rate * values)
        slope = -float(repeats @ share)
        low, high = (rate, high) if slope > 0 else (low, rate)
        step = slope / float(repeats @ share**2)
        if abs(step) < 1e-9 * rate:
            break
        rate = rate + step if low < rate + step < high else (low + high) / 2
    return math.sqrt(2 * max(float(repeats @ np.log1p(-rate * values)), 0.0))


def guaranteed_threshold(
    images: ScoredImages,
    requirement: Requirement,
    assurance: float = 0.95,
    evidence: Evidence = likelihood_ratio_z,
) -> Guarantee:
    """Return the most useful threshold that keeps a requirement with probability `assurance`.

    The lowest one for a precision or false positives per image, the highest one for a recall.
    The probability is over the draw of the labeled images; what is kept is the figure over the
    population that they were drawn from, not the one of the next hundred images.

    Assumptions: the labeled images and those to come are independent draws from one population; the
    scores do not depend on these labels; there are enough images for the likelihood ratio's
    limit (a simulation is among the tests). For a precision also that thresholds that keep it are
    one interval, as they are where a higher score means a higher precision, but for the very
    highest scores: the start is found at a tenth of the error probability divided by the number of
    candidates, and from there on to lower thresholds the first that breaks the requirement is
    the only one that counts. The other two losses are monotone, and start at an end.

    Args:
        images: poses with scores and matched OKS, by image.
        requirement: precision, recall, or false positives per image.
        assurance: in (0, 1).
        evidence: the test: (I,) losses and the largest single error to a standard normal quantile.

    Raises:
        ValueError: `assurance` is not in (0, 1).
    """
    if not 0 < assurance < 1:
        raise ValueError(f"assurance must be in (0, 1), got {assurance}")
    tested = _Test.of(images, requirement, evidence)
    error = 1 - assurance
    first, needed = 0, NORMAL.inv_cdf(assurance)
    candidates = _candidates(images.scores, requirement)
    if not len(candidates):
        return Guarantee(requirement, assurance, len(images.people), None)
    passed = needed
    if requirement.figure == PRECISION:
        rough = [tested.studentised(candidate) for candidate in candidates[::START_STEP]]
        first = START_STEP * int(np.argmax(rough))
        passed = NORMAL.inv_cdf(1 - START_SHARE * error / len(rough))
        needed = NORMAL.inv_cdf(1 - (1 - START_SHARE) * error)
    z = tested.z(candidates[first])
    if z < passed:
        more = _images_needed(len(images.people), z, passed)
        return Guarantee(requirement, assurance, len(images.people), None, more)
    last = first
    while last + 1 < len(candidates) and tested.z(candidates[last + 1]) >= needed:
        last += 1
    point = _point(images, float(candidates[last]), requirement.at_oks)
    return Guarantee(requirement, assurance, len(images.people), point)


@dataclass(frozen=True, eq=False)
class _Test:
    """Tests of the hypothesis that a threshold breaks a requirement."""

    images: ScoredImages  # by descending score
    requirement: Requirement
    evidence: Evidence

    @classmethod
    def of(cls, images: ScoredImages, requirement: Requirement, evidence: Evidence) -> _Test:
        order = np.argsort(-images.scores, kind="stable")
        columns = (images.scores[order], images.oks[order], images.image[order])
        return cls(ScoredImages(*columns, images.people), requirement, evidence)

    def losses(self, threshold: float) -> Floats:
        """Return (I,) losses whose mean is at most 0 where the requirement is kept."""
        images, value = self.images, self.requirement.value
        kept = slice(np.searchsorted(-images.scores, -threshold, side="right"))
        correct = images.oks[kept] >= self.requirement.at_oks
        count = len(images.people)
        true = np.bincount(images.image[kept][correct], minlength=count)
        if self.requirement.figure == RECALL:
            return np.asarray(value * images.people - true)
        false = np.bincount(images.image[kept][~correct], minlength=count)
        if self.requirement.figure == PRECISION:
            return np.asarray(value * false - (1 - value) * true)
        return np.asarray(false - value)

    def z(self, threshold: float) -> float:
        """Return the evidence against the hypothesis, as a standard normal quantile."""
        largest = 1.0 if self.requirement.figure == FALSE_POSITIVES else self.requirement.value
        return self.evidence(self.losses(threshold), largest)

    def studentised(self, threshold: float) -> float:
        """Return the same roughly and fast, for the choice of a start."""
        losses = np.append(self.losses(threshold), self.requirement.value)
        return -float(losses.sum()) / math.sqrt(float(losses @ losses))


def _candidates(scores: Floats, requirement: Requirement) -> Floats:
    """Return thresholds in the order of the tests, chosen by the scores alone."""
    if not len(scores):
        return np.zeros(0)
    shares = np.linspace(0, 1, CANDIDATES)
    rising: Floats = np.unique(np.quantile(scores, shares, method="higher"))
    return rising if requirement.figure == RECALL else rising[::-1]


def _images_needed(images: int, z: float, passed: float) -> int | None:
    """Return how many images would do; None where the figure hardly passes the requirement.

    Evidence grows with the root of their number.
    """
    if z <= FLATTERY:
        return None
    needed = images * ((passed + NORMAL.inv_cdf(POWER)) / (z - FLATTERY)) ** 2
    unit: int = 10 ** max(len(str(int(needed))) - 2, 0)
    return math.ceil(needed / unit) * unit


def _point(images: ScoredImages, threshold: float, at_oks: float) -> OperatingPoint:
    kept = images.scores >= threshold
    people = int(images.people.sum())
    return operating_points(images.scores[kept], images.oks[kept], people, at_oks)[-1]
