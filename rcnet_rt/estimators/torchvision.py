"""Keypoint R-CNN (top-down) by torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.errors import EstimatorError, missing_package
from rcnet_rt.estimators.failures import explained
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring.score_convention import INDEPENDENT, UNBOUNDED_JOINTS, UNIT, ScoreConvention

__all__ = ["KeypointRcnn", "keypointrcnn"]

PERSON = 1  # torchvision counts the background


class KeypointRcnn:
    """Keypoint R-CNN; every joint is found, its score the logit of its heat map's peak.

    Args:
        model: such as `torchvision.models.detection.keypointrcnn_resnet50_fpn` gives.
        floor: poses with a lower box score are not returned.
        device: "auto" is the GPU where there is one.
    """

    family = "keypointrcnn"
    name = "keypointrcnn"
    skeleton = COCO17
    score_convention = ScoreConvention(UNIT, UNBOUNDED_JOINTS, INDEPENDENT)

    def __init__(self, model: Any, *, floor: float, device: str = "auto") -> None:
        from rcnet_rt.models.device import resolve_device

        device = resolve_device(device)
        self._floor, self._device = floor, device
        with explained(f"Keypoint R-CNN on {device}", "choose another device, such as cpu"):
            self._model = model.eval().to(device)

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: the model fails.
        """
        import torch

        rgb = torch.from_numpy(image_bgr[:, :, ::-1].copy()).to(self._device)
        with explained("Keypoint R-CNN failed", "check that the model is one"):
            with torch.inference_mode():
                (found,) = self._model([rgb.permute(2, 0, 1).float() / 255])
            people = (found["labels"] == PERSON) & (found["scores"] >= self._floor)
            columns = ("keypoints", "scores", "keypoints_scores", "boxes")
            keypoints, *rest = (found[column][people].cpu().numpy() for column in columns)
        scores, joint_scores, boxes = rest
        return Poses(
            np.ascontiguousarray(keypoints[..., :2]),
            scores,
            keypoint_scores=joint_scores,
            boxes=boxes,
            image_size=(image_bgr.shape[1], image_bgr.shape[0]),
        )


def keypointrcnn(which: str, *, floor: float, device: str = "auto") -> KeypointRcnn:
    """Load Keypoint R-CNN: `which` is a .pth file of parameters, or "" for torchvision's own.

    Raises:
        EstimatorError: torchvision is not installed, or the parameters are missing or others.
    """
    try:
        from torchvision.models.detection import KeypointRCNN_ResNet50_FPN_Weights as Pretrained
        from torchvision.models.detection import keypointrcnn_resnet50_fpn as build
    except ImportError as error:
        raise EstimatorError(
            missing_package("torchvision", "Keypoint R-CNN models", "rcnet-rt[torchvision]")
        ) from error
    remedy = "connect to the network, or give keypointrcnn:FILE.pth that you have"
    with explained(f"Keypoint R-CNN {which}".strip() + " cannot be loaded", remedy):
        options: dict[str, Any] = {"weights_backbone": None, "box_score_thresh": floor}
        if not which:
            model = build(weights=Pretrained.DEFAULT, **options)
            return KeypointRcnn(model, floor=floor, device=device)
        if not Path(which).is_file():
            raise EstimatorError(f"no model file at {which}; give a .pth file, or keypointrcnn")
        import torch

        model = build(weights=None, **options)
        # No pickled code: parameters alone.
        model.load_state_dict(torch.load(which, map_location="cpu", weights_only=True))
        return KeypointRcnn(model, floor=floor, device=device)
