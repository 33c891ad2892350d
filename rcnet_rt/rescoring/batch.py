"""Poses of one or many images as flat arrays of P rows, every absent input filled by its rule.

What the features and the baselines read. NumPy in float64 or torch; no dynamic shapes, so that a
GPU needs no synchronisation with the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from rcnet_rt.poses.arrays import Array, namespace, numbers
from rcnet_rt.poses.fields import INPUTS, shape_of
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.constants import MAX_MAGNITUDE, UNKNOWN_CORRELATION
from rcnet_rt.rescoring.inputs import PoseInputs, as_float64, check, inputs_of
from rcnet_rt.rescoring.score_reference import ScoreReference, expected_rank_alone

__all__ = ["PoseBatch", "concatenate", "extent", "fill", "pack", "poses_to_batch", "isolate"]


@dataclass(frozen=True, eq=False)
class PoseBatch:
    """P poses, K joints each, of any number of images.

    Attributes:
        keypoints: (P, K, 2) pixels; anything finite where a joint was not found: read `found`.
        found: (P, K) whether the joint was found.
        scores: (P,) the estimator's confidence; 0 for a pose with a fault.
        keypoint_scores: (P, K), 0 where not found; 1 where found if the estimator gives none.
        boxes: (P, 4) x1, y1, x2, y2 pixels; the extent of the found joints if there are none.
        image_sizes: (P, 2) width and height, NaN if not known.
        image_index: (P,) which image a pose belongs to; poses see only those of their own image.
        consensus: (P, C) statistics of the NMS candidates, NaN where not known.
        agreement: (P,) OKS × √score of a recheck, NaN where there was none.
        embeddings: (P, E) features of the pose in the estimator's network; E is 0 without.
        faulty: (P,) a score, joint or box that is NaN or beyond 1e15: the pose cannot be scored.
        reference: what else is known of the estimator's scores, or None.
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
    image_index: Array
    faulty: Array
    reference: ScoreReference | None = None

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def expected_rank(self) -> Array:
        """(P,) poses per image that score at least this, above 0; by a rule without a reference."""
        if self.reference is None:
            return expected_rank_alone(self.scores)
        return self.reference.expected_rank(self.scores)

    @property
    def joint_correlation(self) -> float:
        """How much the estimator's scores repeat the joints' confidence, in [0, 1]."""
        return UNKNOWN_CORRELATION if self.reference is None else self.reference.joint_correlation


def pack(inputs: PoseInputs) -> PoseBatch:
    """Pack the poses of one image as `rescoring.inputs.check` takes them.

    Raises:
        PosesError: a shape that does not fit.
    """
    return fill(check(inputs).map(as_float64))


def fill(inputs: PoseInputs, embedding_size: int = 0) -> PoseBatch:
    """Pack poses that were checked: fill what is absent by its rule, find the faulty.

    Absent embeddings become `embedding_size` unknown values.
    """
    xp = namespace(inputs.keypoints)
    joints = inputs.keypoints.shape[1]
    missing = numbers(xp.isnan(inputs.keypoints), inputs.keypoints).sum(
        axis=2
    )  # of two coordinates
    found = missing < 1
    joint_scores = (
        numbers(found, inputs.keypoints)
        if inputs.keypoint_scores is None
        else xp.where(found, inputs.keypoint_scores, 0.0)
    )
    boxes = extent(inputs.keypoints, found) if inputs.boxes is None else inputs.boxes
    blocks = [inputs.scores[:, None], boxes, joint_scores, inputs.keypoints.reshape(-1, 2 * joints)]
    columns = xp.concatenate(blocks, 1)
    good = xp.abs(columns) < MAX_MAGNITUDE  # NaN is not
    wrong = numbers(~good, columns).sum(axis=1)
    columns = xp.where(good, columns, 0.0)
    scores = columns[:, 0]
    unknown = {
        field.name: _or_unknown(
            getattr(inputs, field.name), scores, shape_of(field, joints, embedding_size)
        )
        for field in INPUTS
        if field.may_be_unknown
    }
    return PoseBatch(
        keypoints=columns[:, 5 + joints :].reshape(-1, joints, 2),
        found=found,
        scores=scores,
        keypoint_scores=columns[:, 5 : 5 + joints],
        boxes=columns[:, 1:5],
        image_sizes=_sizes(scores, inputs.image_size),
        **unknown,
        image_index=scores * 0 if inputs.image_index is None else inputs.image_index,
        faulty=wrong > missing.sum(axis=1),
        reference=inputs.reference,
    )


def poses_to_batch(poses: Poses) -> PoseBatch:
    """Pack the poses of one image, with the scores that they have now."""
    return pack(inputs_of(poses)._replace(scores=poses.scores))


def concatenate(packs: Sequence[PoseBatch], embedding_size: int = 0) -> PoseBatch:
    """Join packs of one estimator into one, each an image of its own, numbered from 0.

    Embeddings have at least that size, with NaN for poses without.
    """
    xp = namespace(packs[0].scores)
    columns = {
        field.name: xp.concatenate([getattr(pack, field.name) for pack in packs])
        for field in fields(PoseBatch)
        if field.name not in ("image_index", "reference", "embeddings")
    }
    width = max(embedding_size, *(pack.embeddings.shape[1] for pack in packs))
    columns["embeddings"] = xp.concatenate(
        [
            pack.embeddings
            if pack.embeddings.shape[1] == width
            else _or_unknown(None, pack.scores, (width,))
            for pack in packs
        ]
    )
    image_index = xp.concatenate(
        [pack.image_index * 0 + number for number, pack in enumerate(packs)]
    )
    return PoseBatch(image_index=image_index, reference=packs[0].reference, **columns)


def isolate(poses: PoseBatch, chosen: Array) -> PoseBatch:
    """Give each chosen pose an image of its own, a negative number, so that no other sees it."""
    xp = namespace(poses.scores)
    number = xp.cumsum(numbers(chosen, poses.scores), 0)
    return replace(poses, image_index=xp.where(chosen, -number, poses.image_index))


def _sizes(scores: Array, size: tuple[float, float] | Array | None) -> Array:
    """Return (P, 2) image sizes, NaN if not known."""
    if not (size is None or isinstance(size, tuple)):
        return size
    sides = (float("nan"), float("nan")) if size is None else size
    return namespace(scores).stack([scores * 0 + side for side in sides], 1)


def _or_unknown(array: Array | None, scores: Array, shape: tuple[int, ...]) -> Array:
    """Return the array, or (P, *shape) NaN where there is none."""
    if array is not None:
        return array
    unknown = scores * float("nan")
    if not shape:
        return unknown
    column = unknown[:, None]
    return namespace(scores).concatenate([column] * shape[0], 1) if shape[0] else column[:, :0]


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
