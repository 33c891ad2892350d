"""Poses of one or many pictures as flat arrays of P rows, every absent input filled by its rule.

What the features and the base formulas read. NumPy in float64 or torch; never a dynamic shape, so
that a GPU needs no word from the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from rcnet_rt.poses.arrays import Array, namespace, numbers
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.inputs import OPTIONAL, GivenPoses, check, doubles
from rcnet_rt.rescoring.nms_consensus import CONSENSUS
from rcnet_rt.rescoring.score_reference import UNKNOWN_ECHO, ScoreScale, standing_alone

__all__ = ["PackedPoses", "concatenate", "extent", "fill", "pack", "pack_poses", "set_apart"]

LARGEST = 1e15  # no pixel and no score lies beyond; squares of what is below stay finite in float32


@dataclass(frozen=True, eq=False)
class PackedPoses:
    """P poses, K joints each, of any number of pictures.

    Attributes:
        keypoints: (P, K, 2) pixels; anything finite where a joint was not found: read `found`.
        found: (P, K) whether the joint was found.
        scores: (P,) what the estimator said; 0 for a pose with a fault.
        keypoint_scores: (P, K), 0 where not found; 1 where found if the estimator gives none.
        boxes: (P, 4) x1, y1, x2, y2 pixels; the extent of the found joints if there are none.
        image_sizes: (P, 2) width and height, NaN if not known.
        picture: (P,) which picture a pose belongs to; poses see only those of their own picture.
        consensus: (P, C) statistics of the NMS candidates, NaN where not known.
        agreement: (P,) how surely a second look finds it again, NaN where there was none.
        embeddings: (P, E) what the estimator's network saw; E is 0 where it does not tell.
        faulty: (P,) a score, joint or box that is NaN or beyond 1e15: the pose cannot be scored.
        scale: what else is known of the estimator's scores, or None.
    """

    keypoints: Array
    found: Array
    scores: Array
    keypoint_scores: Array
    boxes: Array
    image_sizes: Array
    consensus: Array
    agreement: Array
    embeddings: Array
    picture: Array
    faulty: Array
    scale: ScoreScale | None = None

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def standing(self) -> Array:
        """(P,) poses per picture that score at least this, above 0; by a rule without a scale."""
        if self.scale is None:
            return standing_alone(self.scores)
        return self.scale.standing(self.scores)

    @property
    def echo(self) -> float:
        """How much the estimator's scores repeat the joints' confidence, in [0, 1]."""
        return UNKNOWN_ECHO if self.scale is None else self.scale.echo


def pack(given: GivenPoses) -> PackedPoses:
    """Pack the poses of one picture as `rescoring.inputs.check` takes them.

    Raises:
        PosesError: a shape that does not fit.
    """
    return fill(check(given).map(doubles))


def fill(given: GivenPoses, embedding_size: int = 0) -> PackedPoses:
    """Pack poses that were checked: fill what is absent by its rule, find the faulty.

    Absent embeddings become so many values that are not known.
    """
    xp = namespace(given.keypoints)
    joints = given.keypoints.shape[1]
    missing = numbers(xp.isnan(given.keypoints), given.keypoints).sum(axis=2)  # of two coordinates
    found = missing < 1
    joint_scores = (
        numbers(found, given.keypoints)
        if given.keypoint_scores is None
        else xp.where(found, given.keypoint_scores, 0.0)
    )
    boxes = extent(given.keypoints, found) if given.boxes is None else given.boxes
    blocks = [given.scores[:, None], boxes, joint_scores, given.keypoints.reshape(-1, 2 * joints)]
    columns = xp.concatenate(blocks, 1)
    good = xp.abs(columns) < LARGEST  # NaN is not
    wrong = numbers(~good, columns).sum(axis=1)
    columns = xp.where(good, columns, 0.0)
    scores = columns[:, 0]
    return PackedPoses(
        keypoints=columns[:, 5 + joints :].reshape(-1, joints, 2),
        found=found,
        scores=scores,
        keypoint_scores=columns[:, 5 : 5 + joints],
        boxes=columns[:, 1:5],
        image_sizes=_sizes(scores, given.image_size),
        consensus=_or_unknown(given.consensus, scores, len(CONSENSUS)),
        agreement=scores * float("nan") if given.agreement is None else given.agreement,
        embeddings=_or_unknown(given.embeddings, scores, embedding_size),
        picture=scores * 0 if given.picture is None else given.picture,
        faulty=wrong > missing.sum(axis=1),
        scale=given.scale,
    )


def pack_poses(poses: Poses) -> PackedPoses:
    """Pack the poses of one picture, with the scores that they have now."""
    known = {name: getattr(poses, name) for name in ("keypoints", "scores", *OPTIONAL)}
    return pack(GivenPoses(**known, image_size=poses.image_size))


def concatenate(packs: Sequence[PackedPoses], embedding_size: int = 0) -> PackedPoses:
    """Join packs of one estimator into one, each a picture of its own, numbered from 0.

    Embeddings have at least that size, with NaN for poses without.
    """
    xp = namespace(packs[0].scores)
    columns = {
        field.name: xp.concatenate([getattr(pack, field.name) for pack in packs])
        for field in fields(PackedPoses)
        if field.name not in ("picture", "scale", "embeddings")
    }
    width = max(embedding_size, *(pack.embeddings.shape[1] for pack in packs))
    columns["embeddings"] = xp.concatenate(
        [
            pack.embeddings
            if pack.embeddings.shape[1] == width
            else _or_unknown(None, pack.scores, width)
            for pack in packs
        ]
    )
    picture = xp.concatenate([pack.picture * 0 + number for number, pack in enumerate(packs)])
    return PackedPoses(picture=picture, scale=packs[0].scale, **columns)


def set_apart(poses: PackedPoses, chosen: Array) -> PackedPoses:
    """Give each chosen pose a picture of its own, a negative number, so that no other sees it."""
    xp = namespace(poses.scores)
    number = xp.cumsum(numbers(chosen, poses.scores), 0)
    return replace(poses, picture=xp.where(chosen, -number, poses.picture))


def _sizes(scores: Array, size: tuple[float, float] | Array | None) -> Array:
    """Return (P, 2) image sizes, NaN if not known."""
    if not (size is None or isinstance(size, tuple)):
        return size
    sides = (float("nan"), float("nan")) if size is None else size
    return namespace(scores).stack([scores * 0 + side for side in sides], 1)


def _or_unknown(given: Array | None, scores: Array, count: int) -> Array:
    """Return what was given, or (P, count) NaN."""
    if given is not None:
        return given
    column = (scores * float("nan"))[:, None]
    return namespace(scores).concatenate([column] * count, 1) if count else column[:, :0]


def extent(keypoints: Array, found: Array) -> Array:
    """Return the (P, 4) box around the found joints; zeros for a pose without any."""
    xp = namespace(keypoints)
    if keypoints.shape[1] == 0:
        return xp.concatenate([keypoints.sum(axis=1), keypoints.sum(axis=1)], 1)
    axes = keypoints[:, :, 0], keypoints[:, :, 1]
    low = [xp.amin(xp.where(found, axis, float("inf")), 1) for axis in axes]
    high = [xp.amax(xp.where(found, axis, float("-inf")), 1) for axis in axes]
    box = xp.stack([*low, *high], 1)
    return xp.where(found.any(axis=1)[:, None], box, 0.0)
