"""The models of mmpose's inferencer: HRNet, DEKR, HigherHRNet, CID, ED-Pose, RTMPose and more.

Written against the output that mmpose 1.x documents and that its `split_instances` makes. The tests
read such output; they do not run mmpose.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rcnet_rt.errors import EstimatorError, missing_package
from rcnet_rt.estimators.failures import explained
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17, Skeleton
from rcnet_rt.privacy import disable_telemetry
from rcnet_rt.rescoring.score_convention import UNIT, ScoreConvention

__all__ = ["MmposeEstimator", "mmpose", "poses_from_predictions"]


class MmposeEstimator:
    """`mmpose.apis.MMPoseInferencer`; it takes images blue first, as we do.

    Args:
        inferencer: made with the model that is wanted.
        name: what it is called.
        floor: poses with a lower score are not returned.
    """

    family = "mmpose"
    # Of pose scores: those of joints are heat-map values or SimCC peaks, as the model has it.
    score_convention = ScoreConvention(UNIT)

    def __init__(self, inferencer: Any, name: str, *, floor: float) -> None:
        self.name = name
        self._inferencer, self._floor = inferencer, floor
        self.skeleton: Skeleton = COCO17

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: the model fails, or gives another skeleton.
        """
        with explained("mmpose failed", "check that the model is one of people"):
            result = next(self._inferencer(image_bgr, bbox_thr=self._floor, show=False))
            (people,) = result["predictions"]
        poses = poses_from_predictions(people, (image_bgr.shape[1], image_bgr.shape[0]))
        return poses[poses.scores >= self._floor]


def poses_from_predictions(
    people: list[dict[str, Any]], image_size: tuple[int, int] | None = None
) -> Poses:
    """Return the people of one image as mmpose's inferencer lists them.

    The pose score is `bbox_score`, or the mean of the joint scores where there is none (a
    bottom-up model). A joint whose score is not above 0 was not found.

    Raises:
        EstimatorError: they are not 17 joints of COCO.
    """
    joints = len(skeletons.COCO17.keypoints)
    if not people:
        return Poses.empty(joints, image_size)
    keypoints = np.array([person["keypoints"] for person in people], dtype=np.float32)
    joint_scores = np.array([person["keypoint_scores"] for person in people], dtype=np.float32)
    if keypoints.shape[1:] != (joints, 2):
        raise EstimatorError(
            f"the mmpose model gives keypoints of shape {keypoints.shape[1:]}, expected "
            f"({joints}, 2); choose one trained on COCO, such as human"
        )
    means = joint_scores.mean(axis=1).tolist()
    scores = [person.get("bbox_score", mean) for person, mean in zip(people, means, strict=True)]
    # `bbox` is a tuple of one list, by an odd comma that is there to stay.
    boxes = [np.ravel(person["bbox"])[:4] for person in people if person.get("bbox") is not None]
    return Poses(
        np.where((joint_scores <= 0)[..., None], np.nan, keypoints),
        np.array(scores, dtype=np.float32),
        keypoint_scores=joint_scores,
        boxes=np.array(boxes) if len(boxes) == len(people) else None,
        image_size=image_size,
    )


def mmpose(which: str, *, floor: float, device: str = "auto") -> MmposeEstimator:
    """Load what mmpose calls `which`: an alias ("human"), a model's name or a config file.

    Raises:
        EstimatorError: mmpose is not installed, or does not know it.
    """
    disable_telemetry()  # mmpose may bring transformers
    try:
        from mmpose.apis import MMPoseInferencer
    except ImportError as error:
        raise EstimatorError(
            missing_package("mmpose", "mmpose's models", "mmpose") + " (mmcv and mmdet too, see "
            "mmpose's installation guide)"
        ) from error
    name = which or "human"
    with explained(f"mmpose:{name} cannot be loaded", "see mmpose's list of aliases and configs"):
        inferencer = MMPoseInferencer(pose2d=name, device=None if device == "auto" else device)
    return MmposeEstimator(inferencer, f"mmpose:{name}", floor=floor)
