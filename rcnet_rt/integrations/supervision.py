"""supervision: `KeyPoints` in, `KeyPoints` with refined `detection_confidence` out.

refiner = Refiner("yolo-pose")
key_points = refine(sv.KeyPoints.from_ultralytics(result), refiner)
confident = key_points[key_points.detection_confidence > 0.4]

Weights with a joint head also fill `data["joint_confidence"]` (N, K), the calibrated confidence of
joints, and `data["covariance"]` (N, K, 2, 2) in square pixels, which supervision's ellipse
annotators draw.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import requires_packages
from rcnet_rt.integrations.attached import raw_scores_of
from rcnet_rt.poses.adapters import RAW_CONFIDENCE as RAW
from rcnet_rt.poses.joint_estimates import JOINT_CONFIDENCE
from rcnet_rt.poses.poses import Poses
from rcnet_rt.refiner import OnError, Refiner
from rcnet_rt.rescoring.score_reference import ScoreReference

with requires_packages("supervision's key points"):
    import supervision as sv

__all__ = ["COVARIANCE", "RAW", "from_poses", "refine", "to_poses"]

COVARIANCE = "covariance"  # where supervision's ellipse annotators look for it


def refine(
    key_points: sv.KeyPoints,
    refiner: Refiner,
    *,
    boxes: npt.ArrayLike | None = None,
    image_size: tuple[int, int] | None = None,
    reference: ScoreReference | None = None,
    on_error: OnError = "raise",
) -> sv.KeyPoints:
    """Return the same key points with refined `detection_confidence`; raw in `data[RAW]`.

    With joint estimates in `data`, where the weights have a joint head.

    Args:
        key_points: N people. Poses that `attach` has refined keep their scores; those that this
            function has refined are refined from their raw scores again.
        refiner: with weights for their skeleton.
        boxes: (N, 4) x1, y1, x2, y2 pixels, which `KeyPoints` do not hold; None goes without.
        image_size: (width, height), or None.
        reference: see `Refiner.refine`.
        on_error: see `Refiner.refine`.

    Raises:
        PosesError: there are no scores to refine, or faulty numbers.
    """
    if len(key_points) == 0:
        return key_points
    given = to_poses(key_points, boxes, image_size)
    known = _raw_scores_before_attach(key_points)
    attached = np.isfinite(known)
    # What is attached keeps its score, faulty or not, and gets estimates of its joints.
    rule: OnError = "raw" if attached.all() else on_error
    poses = refiner(given, reference=reference, on_error=rule)
    refined: sv.KeyPoints = key_points[:]
    refined.detection_confidence = np.where(attached, key_points.detection_confidence, poses.scores)
    refined.data = {**refined.data, RAW: given.scores.copy(), **_joint_data(poses)}
    return refined


def _joint_data(poses: Poses) -> dict[str, Any]:
    """Return what is known of the joints by its names in `KeyPoints.data`."""
    known = {JOINT_CONFIDENCE: poses.joint_confidence, COVARIANCE: poses.joint_covariance}
    return {name: array for name, array in known.items() if array is not None}


def _raw_scores_before_attach(key_points: sv.KeyPoints) -> npt.NDArray[np.float32]:
    """Return (N,) raw scores of the poses that `attach` has refined, NaN for the others."""
    if key_points.detection_confidence is None:
        return np.full(len(key_points), np.nan, np.float32)
    return raw_scores_of(key_points.xy, key_points.detection_confidence)


def to_poses(
    key_points: sv.KeyPoints,
    boxes: npt.ArrayLike | None = None,
    image_size: tuple[int, int] | None = None,
) -> Poses:
    """Return N key points as `Poses` with raw scores, those before `attach` too.

    Otherwise as `Poses.from_supervision`, which does not know what `attach` has refined.

    Raises:
        PosesError: there is no `detection_confidence`, or boxes that do not fit.
    """
    poses = Poses.from_supervision(key_points, boxes, image_size)
    if len(poses) == 0:
        return poses
    known = _raw_scores_before_attach(key_points)
    return replace(poses, scores=np.where(np.isfinite(known), known, poses.scores))


def from_poses(poses: Poses) -> sv.KeyPoints:
    """Return poses as people of class 0; a joint that was not found is (0, 0) and not visible."""
    if len(poses) == 0:
        return sv.KeyPoints.empty()
    data = _joint_data(poses)
    if poses.raw_scores is not None:
        data[RAW] = poses.raw_scores
    return sv.KeyPoints(
        xy=np.where(poses.found[..., None], poses.keypoints, np.float32(0)),
        class_id=np.zeros(len(poses), dtype=int),
        keypoint_confidence=poses.keypoint_scores,
        detection_confidence=poses.scores,
        visible=poses.found,
        data=data,
    )
