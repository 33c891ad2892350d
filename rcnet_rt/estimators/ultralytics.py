"""YOLO-Pose by ultralytics: PyTorch and TensorRT models, and whatever else it loads."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rcnet_rt.errors import EstimatorError, missing_package
from rcnet_rt.estimators.yolo.candidates import RawPredictions
from rcnet_rt.estimators.yolo.features import features_of, watch_features
from rcnet_rt.estimators.yolo.head import skeleton_of
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.privacy import disable_telemetry
from rcnet_rt.rescoring.score_convention import INDEPENDENT, UNIT, UNIT_JOINTS, ScoreConvention

__all__ = ["UltralyticsEstimator", "fetch", "find"]

# Read once, when ultralytics is imported: it installs no packages, loads no pickles that run code,
# and prints nothing.
SETTINGS = {"YOLO_AUTOINSTALL": "false", "ULTRALYTICS_SAFE_LOAD": "1", "YOLO_VERBOSE": "false"}


class UltralyticsEstimator:
    """A YOLO-Pose model; loading runs it once, so that a wrong model fails here.

    Args:
        model: a path, or a name that ultralytics downloads. A `.pt` file is a pickle, that is, a
            program: load only those that you trust.
        floor: poses with a lower box confidence are not returned.
        device: "auto" leaves the choice to ultralytics.
        imgsz: (height, width) that images are fitted into; None is ultralytics' choice.
        half: whether to compute in half precision, where the device can.

    Raises:
        EstimatorError: it cannot be loaded or is no model of poses.
    """

    family = "yolo-pose"
    score_convention = ScoreConvention(UNIT, UNIT_JOINTS, INDEPENDENT)

    def __init__(
        self,
        model: str,
        *,
        floor: float,
        device: str = "auto",
        imgsz: tuple[int, int] | None = None,
        half: bool = False,
    ) -> None:
        self.name = Path(model).name
        self._options: dict[str, Any] = {"conf": floor, "verbose": False}
        if half:
            self._options["half"] = True
        if imgsz is not None:
            self._options["imgsz"] = list(imgsz)
        if device != "auto":
            self._options["device"] = device
        self._model = _load(model)
        self.skeleton = self._check(self.result(np.zeros((64, 64, 3), np.uint8)))
        self.raw = RawPredictions(self._model.predictor)

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        With the consensus of the candidates that suppression removed, unless the model has none.

        Raises:
            EstimatorError: the model fails.
        """
        return self._poses(self.result(image_bgr), 0)

    def estimate_batch(self, images_bgr: Sequence[Image]) -> list[Poses]:
        """Return the poses of several images at once; see `estimate`.

        Raises:
            EstimatorError: the model fails.
        """
        results = _predict(self._model, list(images_bgr), self._options)
        return [self._poses(result, place) for place, result in enumerate(results)]

    def _poses(self, result: Any, place: int) -> Poses:
        """Return the poses of an image at a place of the last batch."""
        consensus = self.raw.consensus(result, self.skeleton.sigmas, place)
        known = {"consensus": consensus, "embeddings": features_of(result)}
        given = {name: _host(values) for name, values in known.items() if values is not None}
        return replace(Poses.from_ultralytics(result), **given)

    def result(self, image_bgr: Image) -> Any:
        """Return ultralytics' own `Results`; `raw` keeps what they were chosen from."""
        return _predict(self._model, image_bgr, self._options)[0]

    def show_embeddings(self) -> None:
        """Give the poses of `estimate` the features of their place in the maps before the head.

        A model that was exported, or is end-to-end, shows none.
        """
        watch_features(self._model.predictor)

    def _check(self, result: Any) -> Skeleton:
        if result.keypoints is None:
            raise EstimatorError(
                f"{self.name} gives boxes without keypoints; use a pose model such as yolov8n-pose"
            )
        return skeleton_of(self.name, int(result.keypoints.data.shape[1]))


def find(name: str) -> Path | None:
    """Return where ultralytics would find a model by name without downloading, or None."""
    settings = _import().settings
    places = (Path(name), Path(settings["weights_dir"]) / name)
    return next((place for place in places if place.is_file()), None)


def fetch(name: str, *, seconds: float) -> bool:
    """Return whether a model is here, after a download that may take that long.

    Raises:
        EstimatorError: ultralytics is not installed.
    """
    if find(name) is not None:
        return True
    from ultralytics.utils.downloads import attempt_download_asset

    def download() -> None:
        with contextlib.suppress(Exception):
            attempt_download_asset(name)

    # A network that drops packets must not block the program: the thread ends with it.
    thread = threading.Thread(target=download, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive() and find(name) is not None


def _import() -> Any:
    disable_telemetry()  # ultralytics brings OpenVINO and onnxruntime, too
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ultralytics
    except ImportError as error:
        raise EstimatorError(
            missing_package("ultralytics", "YOLO-Pose models", "ultralytics")
        ) from error
    return ultralytics


def _load(model: str) -> Any:
    package = _import()
    try:
        return package.YOLO(model, task="pose")
    except ConnectionError as error:
        raise EstimatorError(
            f"{model} is not here and could not be downloaded; connect to the network, or give "
            "--model the path of a YOLO-Pose file that you have"
        ) from error
    except Exception as error:
        raise EstimatorError(_sentence(f"{model} cannot be loaded", error)) from error


def _predict(model: Any, images: Image | list[Image], options: dict[str, Any]) -> Any:
    try:
        return model.predict(images, **options)
    except Exception as error:
        raise EstimatorError(_sentence("the pose model failed", error)) from error


def _sentence(what: str, error: Exception) -> str:
    if "Invalid CUDA" in str(error):
        return "the device asked for is not here; choose another, such as cpu, or leave it to auto"
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    if " " not in reason:  # a KeyError's key alone is no explanation
        reason = f"{type(error).__name__} {reason}"
    return f"{what}: {reason}; check that it is a YOLO-Pose model and that its runtime is installed"


def _host(tensor: Any) -> Any:
    return np.asarray(tensor.cpu().numpy() if hasattr(tensor, "cpu") else tensor, dtype=np.float32)
