"""Poses of one or many pictures as flat arrays of P rows, every absent input filled by its rule.

What the features and the base formulas read. NumPy in float64 or torch; never a dynamic shape, so
that a GPU needs no word from the host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from rcnet_rt.arrays import Array, is_torch, namespace
from rcnet_rt.consensus import CONSENSUS
from rcnet_rt.errors import PosesError
from rcnet_rt.poses import Poses
from rcnet_rt.score_scale import UNKNOWN_ECHO, ScoreScale, standing_alone

__all__ = ["PackedPoses", "concatenate", "pack", "pack_poses", "set_apart"]


@dataclass(frozen=True, eq=False)
class PackedPoses:
    """P poses, K joints each, of any number of pictures.

    Attributes:
        keypoints: (P, K, 2) pixels; 0 where a joint was not found: read `found` first.
        found: (P, K) whether the joint was found.
        scores: (P,) what the estimator said; 0 for a pose with a fault.
        keypoint_scores: (P, K), 0 where not found; 1 where found if the estimator gives none.
        boxes: (P, 4) x1, y1, x2, y2 pixels; the extent of the found joints if there are none.
        image_sizes: (P, 2) width and height, NaN if not known.
        picture: (P,) which picture a pose belongs to; poses see only those of their own picture.
        consensus: (P, C) the statistics of `rcnet_rt.consensus.CONSENSUS`, NaN where not known.
        agreement: (P,) OKS with a second look, NaN where there was none.
        embeddings: (P, E) what the estimator's network saw; E is 0 where it does not tell.
        faulty: (P,) a score, joint or box that is not a number: the pose cannot be scored.
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


def pack(
    keypoints: Array,
    scores: Array,
    keypoint_scores: Array | None = None,
    boxes: Array | None = None,
    image_size: tuple[float, float] | None = None,
    scale: ScoreScale | None = None,
    *,
    consensus: Array | None = None,
    agreement: Array | None = None,
    embeddings: Array | None = None,
) -> PackedPoses:
    """Pack the poses of one picture; shapes as in `Poses`, keypoints (N, K, 3) allowed.

    Raises:
        PosesError: a shape that does not fit.
    """
    keypoints, scores, keypoint_scores, boxes, consensus, agreement, embeddings = _same_kind(
        keypoints, scores, keypoint_scores, boxes, consensus, agreement, embeddings
    )
    keypoints, keypoint_scores = _split_third_column(keypoints, keypoint_scores)
    count, joints = keypoints.shape[:2]
    given = {
        "scores": (scores, (count,)),
        "keypoint_scores": (keypoint_scores, (count, joints)),
        "boxes": (boxes, (count, 4)),
        "consensus": (consensus, (count, len(CONSENSUS))),
        "agreement": (agreement, (count,)),
        "embeddings": (embeddings, (count, *getattr(embeddings, "shape", ())[1:2])),
    }
    _check_shapes(given, joints)
    xp = namespace(keypoints)

    found = ~xp.isnan(keypoints).any(axis=2)
    faulty = ~xp.isfinite(scores) | xp.isinf(keypoints).any(axis=2).any(axis=1)
    if keypoint_scores is None:
        keypoint_scores = xp.ones_like(keypoints[:, :, 0])
    else:
        faulty = faulty | (~xp.isfinite(keypoint_scores) & found).any(axis=1)
    if boxes is not None:
        faulty = faulty | ~xp.isfinite(boxes).all(axis=1)

    usable = found & ~faulty[:, None]
    keypoints = xp.where(usable[:, :, None], keypoints, 0.0)
    if boxes is None:
        boxes = _extent(keypoints, usable)
    size = (float("nan"), float("nan")) if image_size is None else _checked_size(image_size)
    scores = xp.where(faulty, 0.0, scores)
    return PackedPoses(
        keypoints=keypoints,
        found=usable,
        scores=scores,
        keypoint_scores=xp.where(usable, keypoint_scores, 0.0),
        boxes=xp.where(faulty[:, None], 0.0, boxes),
        image_sizes=xp.stack([xp.zeros_like(scores) + side for side in size], 1),
        consensus=_unknown(scores, len(CONSENSUS)) if consensus is None else consensus,
        agreement=_unknown(scores, 1)[:, 0] if agreement is None else agreement,
        embeddings=_unknown(scores, 0) if embeddings is None else embeddings,
        picture=xp.zeros_like(scores),
        faulty=faulty,
        scale=scale,
    )


def pack_poses(
    poses: Poses, scores: Array | None = None, scale: ScoreScale | None = None
) -> PackedPoses:
    """Pack the poses of one picture, with these scores in place of their own if there are any."""
    return pack(
        poses.keypoints,
        poses.scores if scores is None else scores,
        poses.keypoint_scores,
        poses.boxes,
        poses.image_size,
        scale,
        consensus=poses.consensus,
        agreement=poses.agreement,
        embeddings=poses.embeddings,
    )


def concatenate(packs: Sequence[PackedPoses]) -> PackedPoses:
    """Join packs of one estimator into one, each a picture of its own, numbered from 0."""
    xp = namespace(packs[0].scores)
    columns = {
        field.name: xp.concatenate([getattr(pack, field.name) for pack in packs])
        for field in fields(PackedPoses)
        if field.name not in ("picture", "scale", "embeddings")
    }
    width = max(pack.embeddings.shape[1] for pack in packs)
    columns["embeddings"] = xp.concatenate(
        [
            pack.embeddings if pack.embeddings.shape[1] == width else _unknown(pack.scores, width)
            for pack in packs
        ]
    )
    picture = xp.concatenate([pack.picture * 0 + number for number, pack in enumerate(packs)])
    return PackedPoses(picture=picture, scale=packs[0].scale, **columns)


def set_apart(poses: PackedPoses, chosen: Array) -> PackedPoses:
    """Give each chosen pose a picture of its own, a negative number, so that no other sees it."""
    xp = namespace(poses.scores)
    row = xp.cumsum(xp.ones_like(poses.scores), 0)
    return replace(poses, picture=xp.where(chosen, -row, poses.picture))


def _same_kind(*arrays: Any) -> list[Any]:
    """Bring all to torch on one device if the first is torch, else to NumPy float64; None stays."""
    first = arrays[0]
    if is_torch(first):
        torch = namespace(first)
        dtype = first.dtype if first.is_floating_point() else torch.float32
        return [
            None
            if array is None
            else torch.as_tensor(array, dtype=dtype, device=first.device).detach()
            for array in arrays
        ]
    try:
        return [None if array is None else np.asarray(array, dtype=np.float64) for array in arrays]
    except (TypeError, ValueError) as error:
        raise PosesError(
            f"keypoints, scores and all that comes with them must be arrays of numbers: {error}"
        ) from error


def _split_third_column(keypoints: Array, keypoint_scores: Array | None) -> tuple[Array, Any]:
    if keypoints.ndim != 3 or keypoints.shape[2] not in (2, 3):
        raise PosesError(
            f"keypoints: expected shape (N, K, 2) or (N, K, 3), got {tuple(keypoints.shape)}"
        )
    if keypoints.shape[2] == 2:
        return keypoints, keypoint_scores
    if keypoint_scores is not None:
        raise PosesError(
            "joint scores came twice: as the third column of keypoints and as keypoint_scores; "
            "give one of them"
        )
    return keypoints[:, :, :2], keypoints[:, :, 2]


def _check_shapes(given: Mapping[str, tuple[Array | None, tuple[int, ...]]], joints: int) -> None:
    for name, (array, shape) in given.items():
        if array is not None and tuple(array.shape) != shape:
            raise PosesError(
                f"{name}: expected shape {shape} for {shape[0]} poses of {joints} keypoints, "
                f"got {tuple(array.shape)}"
            )


def _unknown(scores: Array, count: int) -> Array:
    """Return (P, count) NaN."""
    place = {"device": scores.device} if is_torch(scores) else {}
    return namespace(scores).full((len(scores), count), float("nan"), dtype=scores.dtype, **place)


def _checked_size(image_size: tuple[float, float]) -> tuple[float, float]:
    try:
        width, height = (float(side) for side in image_size)
    except (TypeError, ValueError) as error:
        raise PosesError(
            f"image_size: expected (width, height) in pixels, got {image_size!r}"
        ) from error
    if not (0 < width < float("inf") and 0 < height < float("inf")):
        raise PosesError(f"image_size: width and height must be above 0, got {image_size!r}")
    return width, height


def _extent(keypoints: Array, found: Array) -> Array:
    """Return the (P, 4) box around the found joints; zeros for a pose without any."""
    xp = namespace(keypoints)
    if keypoints.shape[1] == 0:
        return xp.concatenate([keypoints.sum(axis=1), keypoints.sum(axis=1)], 1)
    seen = found[:, :, None]
    low = xp.amin(xp.where(seen, keypoints, float("inf")), 1)
    high = xp.amax(xp.where(seen, keypoints, float("-inf")), 1)
    box = xp.concatenate([low, high], 1)
    return xp.where(found.any(axis=1)[:, None], box, 0.0)
