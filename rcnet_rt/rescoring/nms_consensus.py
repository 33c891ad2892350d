"""NMS consensus: how far the candidates that non-maximum suppression removed agree with a pose.

A one-stage estimator finds each person many times and keeps the best box. The spread of the others
measures how uncertain the estimator is about the joints, which its score does not. It costs no
further inference.
"""

from __future__ import annotations

from dataclasses import dataclass

from rcnet_rt.poses.arrays import Array, clip_low, namespace
from rcnet_rt.poses.boxes import box_areas, box_iou
from rcnet_rt.poses.fields import CANDIDATE_OKS, CONSENSUS
from rcnet_rt.rescoring.constants import AREA_OF_BOX, CANDIDATE_FLOOR, MIN_CANDIDATE_IOU

__all__ = ["CANDIDATE_OKS", "CONSENSUS", "Candidates", "consensus"]


@dataclass(frozen=True, eq=False)
class Candidates:
    """What an estimator found before NMS: M candidates of K joints, in image pixels.

    Attributes:
        keypoints: (M, K, 2).
        scores: (M,); those below `CANDIDATE_FLOOR` do not count, so an array may be padded with 0.
        boxes: (M, 4) x1, y1, x2, y2.
    """

    keypoints: Array
    scores: Array
    boxes: Array


def consensus(keypoints: Array, boxes: Array, candidates: Candidates, sigmas: Array) -> Array:
    """Return the (N, C) statistics of `CONSENSUS` for N kept poses; NumPy or torch.

    Each candidate counts for the kept pose that it overlaps most, if by more than an IoU of 0.6.
    A pose without candidates gets NaN: nothing is known. Shapes are static, so that a GPU needs no
    synchronisation with the host.

    Args:
        keypoints: (N, K, 2) kept poses in image pixels.
        boxes: (N, 4) their boxes.
        candidates: what they were chosen from.
        sigmas: (K,) the skeleton's.
    """
    xp = namespace(keypoints)
    if len(keypoints) == 0 or len(candidates.scores) == 0:
        return xp.concatenate([boxes[:, :1] * float("nan")] * len(CONSENSUS), 1)
    overlap = box_iou(boxes, candidates.boxes)
    owner = overlap.argmax(0)
    largest = clip_low(xp.amax(overlap, 0), MIN_CANDIDATE_IOU)
    counts = (overlap >= largest) & (candidates.scores >= CANDIDATE_FLOOR)
    weights = counts * candidates.scores
    number = counts.sum(axis=1)
    several = clip_low(number, 1)
    total = clip_low(weights.sum(axis=1), CANDIDATE_FLOOR / 2)
    shares = weights / total[:, None]

    # Offsets from the kept pose; one unit is a joint's d at which OKS falls to exp(-1/2).
    size = xp.sqrt(AREA_OF_BOX * clip_low(box_areas(boxes), 1))
    unit = size[owner][:, None, None] * (2 * sigmas)[:, None]
    offsets = (candidates.keypoints - keypoints[owner]) / unit
    squares = (offsets * offsets).sum(axis=2)
    oks = xp.exp(-squares / 2).mean(axis=1)
    means = (shares @ offsets.reshape(len(offsets), -1)).reshape(keypoints.shape)
    variance = clip_low(shares @ squares - (means * means).sum(axis=2), 0)
    spread, expected = xp.sqrt(variance), xp.exp(-variance / 2)
    columns = [
        xp.log(several),
        xp.log(total),
        total / several,
        shares @ oks,
        (shares * overlap).sum(axis=1),
        spread.mean(axis=1),
        xp.amax(spread, 1),
        expected.mean(axis=1),
        xp.amin(expected, 1),
    ]
    return xp.where((number > 0)[:, None], xp.stack(columns, 1), float("nan"))
