"""RTMPose (top-down) and RTMO (one-stage) by rtmlib, on onnxruntime.

rtmlib gives joints and their scores, and drops the score of the person that its networks gave as
well: that is the pose score here. Where it finds nobody it takes the whole image for a
person; here the result is empty. Images are blue first for both, as in OpenCV.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.errors import EstimatorError, missing_package
from rcnet_rt.estimators.failures import explained
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.privacy import disable_telemetry
from rcnet_rt.rescoring.score_convention import (
    INDEPENDENT,
    UNBOUNDED_JOINTS,
    UNIT,
    UNIT_JOINTS,
    ScoreConvention,
)

__all__ = ["Rtmo", "Rtmpose", "rtmo", "rtmpose"]

MODES = ("balanced", "performance", "lightweight")
JOINTS = len(COCO17.keypoints)


class Rtmpose:
    """A person detector and RTMPose; the pose score is the detector's.

    A joint whose SimCC peak is not above 0 was not found. Peaks may pass 1.

    Args:
        detector: `rtmlib.YOLOX` with suppression inside, as all that rtmlib downloads.
        pose: `rtmlib.RTMPose`.
        floor: people with a lower score are left out.
    """

    family = "rtmpose"
    skeleton = COCO17
    score_convention = ScoreConvention(UNIT, UNBOUNDED_JOINTS, INDEPENDENT)

    def __init__(self, detector: Any, pose: Any, *, floor: float) -> None:
        self.name = Path(pose.onnx_model).stem
        self._detector, self._pose, self._floor = detector, pose, floor
        self.estimate(np.zeros((64, 64, 3), np.uint8))  # a wrong model fails here

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: a model fails.
        """
        size = image_bgr.shape[1], image_bgr.shape[0]
        with explained("RTMPose failed", "check that the models are a detector and RTMPose"):
            boxes, scores = self._people(image_bgr)
            if len(boxes) == 0:
                return Poses.empty(JOINTS, size)
            keypoints, joint_scores = self._pose(image_bgr, bboxes=boxes)
        missing = (joint_scores <= 0)[..., None]
        return Poses(
            np.where(missing, np.nan, keypoints),
            scores,
            keypoint_scores=joint_scores,
            boxes=boxes,
            image_size=size,
        )

    def _people(self, image: Image) -> tuple[Any, Any]:
        tensor, ratio = self._detector.preprocess(image)
        found = self._detector.inference(tensor)[0]
        if found.shape[-1] != 5:
            raise EstimatorError(
                f"{self._detector.onnx_model} gives {found.shape[-1]} values a person, not box and "
                "score; use a detector exported with suppression inside, as rtmlib's own"
            )
        found = found[0][found[0, :, 4] >= self._floor]
        return found[:, :4] / ratio, found[:, 4]


class Rtmo:
    """RTMO: poses in one go; the pose score is that of its box.

    Args:
        model: `rtmlib.RTMO`.
        floor: poses with a lower score are not returned.
    """

    family = "rtmo"
    skeleton = COCO17
    score_convention = ScoreConvention(UNIT, UNIT_JOINTS)

    def __init__(self, model: Any, *, floor: float) -> None:
        self.name = Path(model.onnx_model).stem
        self._model, self._floor = model, floor
        self.estimate(np.zeros((64, 64, 3), np.uint8))  # a wrong model fails here

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: the model fails.
        """
        size = image_bgr.shape[1], image_bgr.shape[0]
        with explained("RTMO failed", "check that the model is RTMO"):
            from rtmlib.tools.object_detection.post_processings import multiclass_nms

            tensor, ratio = self._model.preprocess(image_bgr)
            people, joints = self._model.inference(tensor)
            boxes, scores = people[0, :, :4] / ratio, people[0, :, 4]
            options = {"nms_thr": self._model.nms_thr, "score_thr": self._floor}
            _, kept = multiclass_nms(boxes, scores[:, None], **options)
            if kept is None:
                return Poses.empty(JOINTS, size)
            keypoints = joints[0, kept, :, :2] / ratio
        return Poses(
            keypoints,
            scores[kept],
            keypoint_scores=joints[0, kept, :, 2],
            boxes=boxes[kept],
            image_size=size,
        )


def rtmpose(which: str, *, floor: float, device: str = "auto") -> Rtmpose:
    """Load RTMPose: `which` is a mode ("balanced"), or DETECTOR.onnx,POSE.onnx.

    Raises:
        EstimatorError: rtmlib is not installed, or a model is missing or none.
    """
    library = _library()
    where = _where(device)
    with _silently(), explained(f"RTMPose {which}".strip() + " cannot be loaded", _REMEDY):
        if which in ("", *MODES):
            models = library.Body.MODE[which or MODES[0]]
            detector = library.YOLOX(models["det"], models["det_input_size"], **where)
            pose = library.RTMPose(models["pose"], models["pose_input_size"], **where)
            return Rtmpose(detector, pose, floor=floor)
        paths = which.split(",")
        if len(paths) != 2:
            raise EstimatorError(f"rtmpose:{which}: give a mode, or DETECTOR.onnx,POSE.onnx")
        detector = library.YOLOX(_existing(paths[0]), **where)
        pose = library.RTMPose(_existing(paths[1]), **where)
        detector.model_input_size = _height_width(detector)
        pose.model_input_size = _height_width(pose)[::-1]
        return Rtmpose(detector, pose, floor=floor)


def rtmo(which: str, *, floor: float, device: str = "auto") -> Rtmo:
    """Load RTMO: `which` is a mode ("balanced") or FILE.onnx.

    Raises:
        EstimatorError: rtmlib is not installed, or the model is missing or none.
    """
    library = _library()
    with _silently(), explained(f"RTMO {which}".strip() + " cannot be loaded", _REMEDY):
        own = which not in ("", *MODES)
        file = _existing(which) if own else library.Body.RTMO_MODE[which or MODES[0]]["pose"]
        model = library.RTMO(file, **_where(device))
        model.model_input_size = _height_width(model)
        return Rtmo(model, floor=floor)


_REMEDY = f"connect to the network, choose another of {', '.join(MODES)}, or give files you have"


def _library() -> Any:
    disable_telemetry()  # rtmlib brings onnxruntime
    try:
        import rtmlib
    except ImportError as error:
        raise EstimatorError(
            missing_package("rtmlib", "RTMPose and RTMO", "rcnet-rt[rtmlib]")
        ) from error
    return rtmlib


def _where(device: str) -> dict[str, str]:
    if device == "auto":
        import onnxruntime

        available = onnxruntime.get_available_providers()
        device = "cuda" if "CUDAExecutionProvider" in available else "cpu"
    return {"backend": "onnxruntime", "device": device}


def _existing(path: str) -> str:
    if not Path(path).is_file():
        raise EstimatorError(f"no model file at {path}; give a mode ({', '.join(MODES)}) or a file")
    return path


def _height_width(tool: Any) -> tuple[int, int]:
    """Return what the network takes; rtmlib's own default where the file leaves it open."""
    height, width = tool.session.get_inputs()[0].shape[2:]
    fixed = isinstance(height, int) and isinstance(width, int)
    return (height, width) if fixed else tool.model_input_size


def _silently() -> contextlib.AbstractContextManager[Any]:
    """Hide what rtmlib prints while it loads."""
    return contextlib.redirect_stdout(io.StringIO())
