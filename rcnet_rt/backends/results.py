"""What a caller gets of a backend's results: the rule for faulty poses, and the kind of arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

import numpy as np

from rcnet_rt.backends.protocol import Refined
from rcnet_rt.errors import PosesError
from rcnet_rt.poses.arrays import Array, is_torch, namespace
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.joint_head import JointEstimates

__all__ = [
    "OnError",
    "check_choice",
    "estimates_like",
    "no_estimates",
    "per_image",
    "ruled",
    "same_kind_as",
]

OnError = Literal["raise", "raw", "drop"]


def ruled(result: Refined, on_error: OnError, image_index: Array | None = None) -> Array:
    """Apply the rule for faulty poses, which come with their raw score."""
    refined, faulty = result.scores, result.faulty
    if on_error == "drop":
        return namespace(refined).where(faulty, 0.0, refined)
    if on_error == "raise" and faulty.any():
        first = faulty.tolist().index(True)
        where = f"pose {first}"
        if image_index is not None:
            number = int(image_index[first])
            where = (
                f"pose {first - int((image_index < number).sum())} of image {number} in its pack"
            )
        raise PosesError(
            f"{where}: its score, a joint, a joint score or its box is NaN or beyond 1e15 (NaN "
            "is allowed for both coordinates of a joint that was not found); mend it, or say "
            "on_error='raw' or 'drop'"
        )
    return refined


def same_kind_as(given: Any, refined: Array) -> Array:
    """Return scores in the kind and floating type that came in; float32 where none did."""
    if is_torch(given):
        torch = namespace(given)
        dtype = given.dtype if given.is_floating_point() else torch.float32
        return torch.as_tensor(refined, dtype=dtype, device=given.device)
    if is_torch(refined):
        refined = refined.cpu().numpy()
    dtype = np.asarray(given).dtype
    return refined.astype(dtype if dtype.kind == "f" else np.float32)


def estimates_like(given: Any, joints: JointEstimates) -> JointEstimates:
    """Return estimates of joints in the kind and floating type that came in."""
    return JointEstimates(
        same_kind_as(given, joints.confidence), same_kind_as(given, joints.covariance)
    )


def no_estimates(keypoints: Array) -> JointEstimates:
    """Return the estimates of no poses, in the kind of their keypoints (0, K, 2)."""
    covariance = namespace(keypoints).stack([keypoints, keypoints], 3)
    return JointEstimates(keypoints[:, :, 0], covariance)


def per_image(
    images: Sequence[Poses], scores: Array, joints: JointEstimates | None
) -> Iterator[Poses]:
    """Yield images with their rows of the scores (P,), and of the joint estimates, of all."""
    start = 0
    for poses in images:
        rows = slice(start, start + len(poses))
        new = poses.with_scores(scores[rows])
        if joints is not None:
            new = new.with_joints(joints.confidence[rows], joints.covariance[rows])
        yield new
        start += len(poses)


def check_choice(name: str, value: str, choices: Any) -> None:
    """Check that an option is one of the values of a `Literal`."""
    known = get_args(choices)
    if value not in known:
        raise PosesError(f"{name}: expected {', '.join(known)}, got {value!r}")
