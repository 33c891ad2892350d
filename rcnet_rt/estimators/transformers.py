"""ViTPose (top-down) by transformers: RT-DETR finds people, ViTPose their joints."""

from __future__ import annotations

from typing import Any

import numpy as np

from rcnet_rt.errors import EstimatorError, missing_package
from rcnet_rt.estimators.failures import explained
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.privacy import disable_telemetry
from rcnet_rt.rescoring.score_convention import INDEPENDENT, UNIT, UNIT_JOINTS, ScoreConvention

__all__ = ["VitPose", "vitpose"]

POSE = "usyd-community/vitpose-base-simple"
DETECTOR = "PekingU/rtdetr_r50vd_coco_o365"


class VitPose:
    """A person detector and ViTPose; the pose score is the detector's.

    A joint whose heat map is nowhere above 0 was not found.

    Args:
        detector: a model for object detection with a class "person".
        detector_processor: its image processor.
        pose: `VitPoseForPoseEstimation` with 17 joints.
        pose_processor: its image processor.
        floor: people with a lower score are left out.
        device: "auto" is the GPU where there is one.
    """

    family = "vitpose"
    skeleton = COCO17
    score_convention = ScoreConvention(UNIT, UNIT_JOINTS, INDEPENDENT)

    def __init__(
        self,
        detector: Any,
        detector_processor: Any,
        pose: Any,
        pose_processor: Any,
        *,
        floor: float,
        device: str = "auto",
    ) -> None:
        from rcnet_rt.models.device import resolve_device

        device = resolve_device(device)
        self.name = pose.config.name_or_path or "vitpose"
        self._floor, self._device = floor, device
        self._detector_processor, self._pose_processor = detector_processor, pose_processor
        labels = detector.config.id2label
        self._person = next((i for i, name in labels.items() if name == "person"), None)
        if self._person is None:
            raise EstimatorError("the detector knows no class 'person'; choose another")
        with explained(f"ViTPose on {device}", "choose another device, such as cpu"):
            self._detector, self._pose = detector.eval().to(device), pose.eval().to(device)

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: a model fails.
        """
        import torch

        rgb = np.ascontiguousarray(image_bgr[:, :, ::-1])
        size = image_bgr.shape[1], image_bgr.shape[0]
        with explained("ViTPose failed", "check that the models are a detector and ViTPose"):
            with torch.inference_mode():
                boxes, scores = self._people(rgb)
                if len(boxes) == 0:
                    return Poses.empty(len(COCO17.keypoints), size)
                people = self._joints(rgb, boxes)
            keypoints = np.stack([person["keypoints"].numpy() for person in people])
            joint_scores = np.stack([person["scores"].numpy() for person in people])
        return Poses(
            np.where((joint_scores <= 0)[..., None], np.nan, keypoints),
            scores,
            keypoint_scores=joint_scores,
            boxes=boxes,
            image_size=size,
        )

    def _people(self, rgb: Image) -> tuple[Any, Any]:
        """Boxes (N, 4) x1, y1, x2, y2 and scores (N,) of people."""
        inputs = self._detector_processor(images=rgb, return_tensors="pt").to(self._device)
        (found,) = self._detector_processor.post_process_object_detection(
            self._detector(**inputs), threshold=self._floor, target_sizes=[rgb.shape[:2]]
        )
        people = found["labels"] == self._person
        return found["boxes"][people].cpu().numpy(), found["scores"][people].cpu().numpy()

    def _joints(self, rgb: Image, boxes: Any) -> list[dict[str, Any]]:
        x_y_width_height = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        given = [x_y_width_height]
        inputs = self._pose_processor(rgb, boxes=given, return_tensors="pt").to(self._device)
        output = self._pose(**inputs)
        (people,) = self._pose_processor.post_process_pose_estimation(output, boxes=given)
        found: list[dict[str, Any]] = people
        return found


def vitpose(which: str, *, floor: float, device: str = "auto") -> VitPose:
    """Load ViTPose: `which` is POSE or POSE,DETECTOR, names on the Hugging Face hub or folders.

    Raises:
        EstimatorError: transformers is not installed, or a model is missing or none.
    """
    disable_telemetry()
    try:
        import transformers
    except ImportError as error:
        raise EstimatorError(
            missing_package("transformers", "ViTPose models", "rcnet-rt[transformers]")
        ) from error
    pose, _, detector = which.partition(",")
    pose, detector = pose or POSE, detector or DETECTOR
    remedy = "connect to the network, or give vitpose:FOLDER,DETECTOR_FOLDER that you have"
    with explained(f"ViTPose {pose} with {detector} cannot be loaded", remedy):
        return VitPose(
            transformers.AutoModelForObjectDetection.from_pretrained(detector),
            transformers.AutoImageProcessor.from_pretrained(detector),
            transformers.VitPoseForPoseEstimation.from_pretrained(pose),
            transformers.AutoImageProcessor.from_pretrained(pose),
            floor=floor,
            device=device,
        )
