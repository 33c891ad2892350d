"""Poses -> feature matrix, for training and for running, by name of the set.

Each set is written once, in functions that NumPy and torch share; torch is the reference that any
faster version is held against. A feature that cannot be computed (no image size, say) is NaN, and
the networks put the training mean in its place.

| set | features | size on coco17 / crowdpose14 |
| --- | --- | --- |
| `dekr` | DEKR's rule: link vectors, link lengths, joint scores | 74 / 59 |
| `paper` | the paper's: `dekr` and the initial score | 75 / 60 |
| `full` | `paper` and the `EXTRAS` below | 89 / 74 |
| `signals` | `full` and the `SIGNALS` below | 102 / 87 |
| `confidence` | `CONFIDENCE` below: what of `EXTRAS` any estimator shares | 2 / 2 |
| `paper+visual`, `full+visual` | the set, then the values of the embeddings, as many as there are |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from rcnet_rt.errors import WeightsError
from rcnet_rt.poses.arrays import Array, Constant, namespace, numbers
from rcnet_rt.poses.boxes import box_areas, box_iou, box_sides
from rcnet_rt.poses.fields import CONSENSUS
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.rescoring.batch import PoseBatch
from rcnet_rt.rescoring.constants import (
    CONFIDENT,
    EQUAL,
    MIN_AGREEMENT,
    MIN_CONFIDENCE,
    MIN_SIDE,
    MIN_UNIT,
    TORSO_OF_SIZE,
)
from rcnet_rt.rescoring.joint_correlation import unexplained_share

__all__ = [
    "CONFIDENCE",
    "EXTRAS",
    "FEATURE_SETS",
    "SIGNALS",
    "FeatureSet",
    "get",
]


@dataclass(frozen=True)
class FeatureSet:
    """A named feature set.

    Attributes:
        compute: (packed poses, skeleton, base logits (P,)) -> (P, D) matrix.
        names: skeleton -> the feature names, without those of an embedding's values.
        complete: whether all features of every pose are known, so that none is NaN.
        visual: whether the values of the pose's embedding follow.
    """

    compute: Callable[[PoseBatch, Skeleton, Array], Array]
    names: Callable[[Skeleton], tuple[str, ...]]
    complete: bool = True
    visual: bool = False

    def size(self, skeleton: Skeleton, embedding_size: int = 0) -> int:
        """Return D, with embeddings of so many values where the set has them."""
        return len(self.names(skeleton)) + (embedding_size if self.visual else 0)


def _links(poses: PoseBatch, skeleton: Skeleton) -> tuple[Array, Array, Array]:
    """Vectors (P, 2L) and lengths (P, L) of the links, and the unit length (P,) of each pose.

    A link with a joint that was not found is 0.
    """
    xp = namespace(poses.scores)
    difference, ends, squares = (part.like(poses.scores) for part in _link_matrices(skeleton))
    known = xp.clip(numbers(poses.found, poses.scores) @ ends - 1, 0, None)
    vectors = (poses.keypoints.reshape(-1, len(difference)) @ difference) * known
    lengths = xp.sqrt((vectors * vectors) @ squares)
    return vectors, lengths, _unit(poses, skeleton, lengths, known)


@lru_cache(maxsize=8)
def _link_matrices(skeleton: Skeleton) -> tuple[Constant, Constant, Constant]:
    """(2K, 2L) joints to link vectors, (K, 2L) joints to ends, (2L, L) coordinates to links."""
    joints, links = len(skeleton.keypoints), len(skeleton.links)
    ends, difference = np.zeros((2, joints, links))
    for link, (first, second) in enumerate(skeleton.links):
        ends[[first, second], link] += 1
        difference[first, link] += 1
        difference[second, link] -= 1
    pair = np.ones((1, 2))
    return (
        Constant(np.kron(difference, np.eye(2))),
        Constant(np.kron(ends, pair)),
        Constant(np.kron(np.eye(links), pair.T)),
    )


def _unit(poses: PoseBatch, skeleton: Skeleton, lengths: Array, known: Array) -> Array:
    """(P,) mean length of the skeleton's unit links, by rule where they were not found."""
    xp = namespace(poses.scores)
    first, second = skeleton.unit
    count = known[:, 2 * first] + known[:, 2 * second]
    mean = (lengths[:, first] + lengths[:, second]) / xp.clip(count, 1, None)
    sides = box_sides(poses.boxes)
    unit = xp.where(count > 0, mean, TORSO_OF_SIZE * xp.sqrt(box_areas(poses.boxes)))
    unit = xp.maximum(unit, MIN_UNIT * xp.sqrt((sides * sides).sum(axis=0)))
    return xp.where(unit > 0, unit, 1.0)


def dekr(poses: PoseBatch, skeleton: Skeleton, baseline: Array) -> Array:
    """DEKR's features (P, 3L + K): link vectors and lengths over the unit length, joint scores.

    The order is dx0, dy0, dx1, dy1, …, then the lengths, then the joint scores. Links with a joint
    that was not found are zero.
    """
    return _dekr(poses, *_links(poses, skeleton))


def _dekr(poses: PoseBatch, vectors: Array, lengths: Array, unit: Array, *more: Array) -> Array:
    """DEKR's features, and more columns beside them."""
    xp, unit = namespace(unit), unit[:, None]
    return xp.concatenate([vectors / unit, lengths / unit, poses.keypoint_scores, *more], 1)


def _dekr_names(skeleton: Skeleton) -> tuple[str, ...]:
    links = [f"{skeleton.keypoints[a]}-{skeleton.keypoints[b]}" for a, b in skeleton.links]
    return (
        *(f"{axis} {link}" for link in links for axis in ("dx", "dy")),
        *(f"length {link}" for link in links),
        *(f"score {joint}" for joint in skeleton.keypoints),
    )


def paper(poses: PoseBatch, skeleton: Skeleton, baseline: Array) -> Array:
    """Return DEKR's features and the initial score (P, 3L + K + 1), as the paper has them."""
    return _dekr(poses, *_links(poses, skeleton), poses.scores[:, None])


def _paper_names(skeleton: Skeleton) -> tuple[str, ...]:
    return (*_dekr_names(skeleton), "initial score")


EXTRAS: Mapping[str, str] = MappingProxyType(
    {
        "base": "logit of the baseline score",
        "log size": "log of sqrt(box area in pixels²)",
        "log aspect": "log of box height / width",
        "log unit": "log of unit length / sqrt(box area)",
        "joints": "joints found / K",
        "confident joints": "joints with a score above 0.2 / K",
        "mean confidence": "mean score of the found joints",
        "least confidence": "smallest score of the found joints",
        "spread of confidence": "standard deviation of the scores of the found joints",
        "mean log confidence": "mean log of the scores of the found joints, each at least 0.001",
        "overlap": "largest box IoU with a pose of higher baseline score in the image",
        "rank": "log(1 + number of poses of higher baseline score in the image)",
        "company": "log of the number of poses in the image",
        "gap": "base logit - highest base logit in the image",
    }
)


CONFIDENCE = ("joints", "confident joints")


def confidence(poses: PoseBatch, skeleton: Skeleton, baseline: Array) -> Array:
    """Return the (P, 2) features of `CONFIDENCE`, in that order.

    Each is drawn towards its value for a perfect pose as far as the scores know it already, by
    their echo: what is counted twice makes an order worse. So does what means nothing: without any
    echo they are drawn there as well.
    """
    xp = namespace(poses.scores)
    columns = _joint_statistics(poses, skeleton)[: len(CONFIDENCE)]
    return xp.stack(
        [1 + unexplained_share(poses.joint_correlation) * (column - 1) for column in columns], 1
    )


def _joint_statistics(poses: PoseBatch, skeleton: Skeleton) -> list[Array]:
    """Return columns (P,) of `EXTRAS`, from "joints" to "mean log confidence"."""
    xp = namespace(poses.scores)
    joints = len(skeleton.keypoints)
    number, scores = numbers(poses.found, poses.scores), poses.keypoint_scores
    found = number.sum(axis=1)
    confident = numbers(scores > CONFIDENT, poses.scores).sum(axis=1)
    most = xp.clip(found, 1, None)
    mean = scores.sum(axis=1) / most
    deviation = (scores - mean[:, None]) * number
    logs = xp.log(xp.clip(scores, MIN_CONFIDENCE, None)) * number
    return [
        found / joints,
        confident / joints,
        mean,
        xp.amin(xp.where(poses.found, scores, 1.0), 1),
        xp.sqrt((deviation * deviation).sum(axis=1) / most),
        logs.sum(axis=1) / most,
    ]


def _extras(poses: PoseBatch, skeleton: Skeleton, baseline: Array, unit: Array) -> Array:
    """Return the (P, 14) features of `EXTRAS`, in that order."""
    xp = namespace(poses.scores)
    log_sides = xp.log(xp.clip(box_sides(poses.boxes), MIN_SIDE, None))
    log_size = log_sides.mean(axis=0)
    log_unit = xp.log(unit) - log_size

    same = poses.image_index[:, None] == poses.image_index
    higher = same & (baseline > baseline[:, None] + EQUAL)
    ahead = numbers(higher, baseline)
    overlap = _amax(box_iou(poses.boxes, poses.boxes) * ahead)
    top = _amax(xp.where(same, baseline, float("-inf")))
    shape = [baseline, log_size, log_sides[1] - log_sides[0], log_unit]
    company = [
        overlap,
        xp.log(1 + ahead.sum(axis=1)),
        xp.log(numbers(same, baseline).sum(axis=1)),
        baseline - top,
    ]
    return xp.stack([*shape, *_joint_statistics(poses, skeleton), *company], 1)


def _amax(matrix: Array) -> Array:
    """Return the largest value of each row of (P, P); no rows give no values."""
    none = matrix.shape[0] == 0
    return matrix.sum(axis=1) if none else namespace(matrix).amax(matrix, 1)


def full(poses: PoseBatch, skeleton: Skeleton, baseline: Array) -> Array:
    """Return the paper's features and `EXTRAS` (P, 3L + K + 15)."""
    vectors, lengths, unit = _links(poses, skeleton)
    more = _extras(poses, skeleton, baseline, unit)
    return _dekr(poses, vectors, lengths, unit, poses.scores[:, None], more)


def _full_names(skeleton: Skeleton) -> tuple[str, ...]:
    return (*_paper_names(skeleton), *EXTRAS)


SIGNALS: Mapping[str, str] = MappingProxyType(
    {
        **CONSENSUS,
        "candidates shown": "whether the above are known",
        "agreement": "how surely a recheck finds it again: OKS × √score",
        "log agreement": "its log, at least log 0.05",
        "looked at again": "whether the two above are known",
    }
)


def signals(poses: PoseBatch, skeleton: Skeleton, baseline: Array) -> Array:
    """Return the features of `full` and `SIGNALS` (P, 3L + K + 15 + 13); unknown ones are NaN."""
    xp = namespace(poses.scores)
    shown = ~xp.isnan(poses.consensus).any(axis=1)
    looked = ~xp.isnan(poses.agreement)
    log_agreement = xp.log(xp.clip(poses.agreement, MIN_AGREEMENT, None))
    flags = [numbers(flag, poses.scores) for flag in (shown, looked)]
    more = [flags[0], poses.agreement, log_agreement, flags[1]]
    columns = [full(poses, skeleton, baseline), poses.consensus, xp.stack(more, 1)]
    return xp.concatenate(columns, 1)


def _signals_names(skeleton: Skeleton) -> tuple[str, ...]:
    return (*_full_names(skeleton), *SIGNALS)


def _visual(plain: FeatureSet) -> FeatureSet:
    """Return a set with the values of the embeddings after it (paper, table 9)."""

    def compute(poses: PoseBatch, skeleton: Skeleton, baseline: Array) -> Array:
        columns = [plain.compute(poses, skeleton, baseline), poses.embeddings]
        return namespace(baseline).concatenate(columns, 1)

    return FeatureSet(compute, plain.names, complete=False, visual=True)


PAPER, FULL = FeatureSet(paper, _paper_names), FeatureSet(full, _full_names)
FEATURE_SETS: Mapping[str, FeatureSet] = MappingProxyType(
    {
        "dekr": FeatureSet(dekr, _dekr_names),
        "paper": PAPER,
        "full": FULL,
        "signals": FeatureSet(signals, _signals_names, complete=False),
        "confidence": FeatureSet(confidence, lambda skeleton: CONFIDENCE),
        "paper+visual": _visual(PAPER),
        "full+visual": _visual(FULL),
    }
)


def get(name: str) -> FeatureSet:
    """Return the feature set of that name.

    Raises:
        WeightsError: no feature set has that name.
    """
    try:
        return FEATURE_SETS[name]
    except KeyError:
        raise WeightsError(
            f"unknown feature set {name!r}; known are {', '.join(FEATURE_SETS)}"
        ) from None
