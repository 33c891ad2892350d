"""ultralytics: refined scores in `results.boxes.conf`, wherever a YOLO-Pose model is used already.

    model = attach(YOLO("yolov8n-pose.pt"))
    model.predict(...)   # and stream=True, track, val: refined; raw in results.boxes.raw_conf
    detach(model)

No pose is added or removed: `conf`, NMS and the tracker go by the raw scores, as without `attach`.
Poses on a GPU stay there: they are refined by torch, and the host does not wait (tested with a
device that has shapes only; not run on a GPU yet).

Where the weights have a joint head, a result also has `joint_confidence` (N, K) and
`joint_covariance` (N, K, 2, 2) in square pixels of the image, beside the poses of its `keypoints`,
which stay as they are. They are attributes of that result: ultralytics' copies (`result.cpu()`,
`result[0]`) do not have them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from rcnet_rt.errors import EstimatorError, requires_packages
from rcnet_rt.estimators.ultralytics import UltralyticsEstimator
from rcnet_rt.estimators.yolo.candidates import RawPredictions
from rcnet_rt.integrations.attached import remember
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.joint_estimates import JOINT_CONFIDENCE, JOINT_COVARIANCE
from rcnet_rt.poses.poses import Poses
from rcnet_rt.privacy import disable_telemetry
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring.score_convention import check_convention

disable_telemetry()  # ultralytics reads its switch when it is imported
with requires_packages("Refined scores in ultralytics"):
    import torch
    from ultralytics.engine.results import Boxes, Keypoints, Results
    from ultralytics.utils import ops

__all__ = ["RefinedBoxes", "attach", "detach"]

Model = TypeVar("Model")

POSTPROCESSED = "on_predict_postprocess_end"
JOINT_ESTIMATES = (JOINT_CONFIDENCE, JOINT_COVARIANCE)
RAW = "_rcnet_rt_raw_predictions"  # the attribute of a predictor that holds its candidates


class RefinedBoxes(Boxes):  # type: ignore[misc]  # ultralytics comes without types
    """ultralytics' `Boxes` with refined scores in `conf`.

    Attributes:
        raw_conf: (N,) the model's own scores, in the same kind of array as `conf`.
    """

    def __init__(self, data: Any, orig_shape: tuple[int, int], raw_conf: Any = None) -> None:
        super().__init__(data, orig_shape)
        self.raw_conf = self.conf if raw_conf is None else raw_conf.reshape(-1)

    def cpu(self) -> RefinedBoxes:
        """Return a copy in the host's memory."""
        return self._each(lambda array: array if _is_numpy(array) else array.cpu())

    def numpy(self) -> RefinedBoxes:
        """Return a copy in NumPy arrays."""
        return self._each(lambda array: array if _is_numpy(array) else array.cpu().numpy())

    def cuda(self) -> RefinedBoxes:
        """Return a copy on the GPU."""
        return self._each(lambda array: torch.as_tensor(array).cuda())

    def to(self, *args: Any, **kwargs: Any) -> RefinedBoxes:
        """Return a copy of another device or type, as `torch.Tensor.to`."""
        return self._each(lambda array: torch.as_tensor(array).to(*args, **kwargs))

    def __getitem__(self, index: Any) -> RefinedBoxes:
        return self._each(lambda array: array[index])

    def _each(self, change: Callable[[Any], Any]) -> RefinedBoxes:
        return type(self)(change(self.data), self.orig_shape, change(self.raw_conf))


def attach(
    model: Model, weights: str = "yolo-pose", *, device: str = "auto", backend: str = "auto"
) -> Model:
    """Make a YOLO-Pose model give refined scores from now on, and return it.

    `results.boxes.conf` of predict, stream=True and track is refined, `results.boxes.raw_conf` is
    the model's own score; `val` evaluates refined scores and writes them to predictions.json. A
    pose with a faulty number keeps its raw score. Attaching again replaces what was attached.

    Args:
        model: `ultralytics.YOLO` with task "pose".
        weights: as for `Refiner`.
        device: where the refiner runs: "auto", "cpu", "cuda", …
        backend: as for `Refiner`.

    Raises:
        EstimatorError: it is no model of poses.
        WeightsError: unknown or damaged weights, or made for other scores than YOLO-Pose's.
        BackendError: an unknown backend, or one that does not suit the device.
    """
    task = getattr(model, "task", None)
    if task != "pose" or not hasattr(model, "callbacks"):
        raise EstimatorError(
            f"expected an ultralytics model with task 'pose', got {type(model).__name__} with "
            f"task {task!r}; load one such as YOLO('yolov8n-pose.pt')"
        )
    refiner = Refiner(weights, device=device, backend=backend)
    check_convention(refiner.weights, UltralyticsEstimator.score_convention, "the model")
    hooks = _Hooks(refiner)
    callbacks = detach(model).callbacks
    callbacks["on_predict_start"].append(hooks.start)
    callbacks["on_val_start"].append(hooks.start_val)
    return model


def detach(model: Model) -> Model:
    """Undo `attach`: the model gives its own scores again. Without it nothing happens."""
    for callbacks in getattr(model, "callbacks", {}).values():
        callbacks[:] = [each for each in callbacks if not isinstance(_owner(each), _Hooks)]
    raw = vars(getattr(model, "predictor", None) or model).pop(RAW, None)
    if raw is not None:
        raw.release()
    return model


class _Carrier(Keypoints):  # type: ignore[misc]
    """Keypoints that keep what was refined of their poses when a tracker selects some of them."""

    def __init__(self, data: Any, orig_shape: tuple[int, int], refined: dict[str, Any]) -> None:
        super().__init__(data, orig_shape)
        self.refined = refined

    def __getitem__(self, index: Any) -> _Carrier:
        selected = {name: tensor[index] for name, tensor in self.refined.items()}
        return _Carrier(self.data[index], self.orig_shape, selected)


@dataclass(frozen=True, eq=False)
class _Hooks:
    """The callbacks that one model gets."""

    refiner: Refiner

    def start(self, predictor: Any) -> None:
        """Register before and after the tracker's callback, which `track` adds late."""
        callbacks = predictor.callbacks[POSTPROCESSED]
        others = [each for each in callbacks if _owner(each) is not self]
        callbacks[:] = [self.refine, *others, self.write]
        if RAW not in vars(predictor):
            setattr(predictor, RAW, RawPredictions(predictor))

    def refine(self, predictor: Any) -> None:
        """Refine all poses, before a tracker drops any; the tracker still gets raw scores."""
        raw = vars(predictor)[RAW]
        for place, result in enumerate(predictor.results):
            points = result.keypoints
            refined = self._refined(result, self._consensus(raw, result, place))
            result.keypoints = _Carrier(points.data, points.orig_shape, refined)

    def write(self, predictor: Any) -> None:
        """Write the refined scores to `results.boxes.conf`."""
        for result in predictor.results:
            points, boxes = result.keypoints, result.boxes
            data = boxes.data.clone()
            data[:, -2] = points.refined.pop("scores")
            vars(result).update(points.refined)
            result.boxes = RefinedBoxes(data, boxes.orig_shape, boxes.conf)
            result.keypoints = Keypoints(points.data, points.orig_shape)

    def start_val(self, validator: Any) -> None:
        """Refine the scores that this validator evaluates; validation in training stays raw."""
        if validator.training:
            return
        update_metrics, adapter = validator.update_metrics, _ValidatorAdapter(validator)
        raw = RawPredictions(adapter)

        def refine_and_update(predictions: Any, batch: Any) -> None:
            adapter.postprocess(adapter.predictions, batch["img"], None)
            for index, prediction in enumerate(predictions):
                result = _result(prediction, batch, index)
                consensus = self._consensus(raw, _as_seen(prediction, batch), index)
                prediction["conf"] = self._refined(result, consensus)["scores"]
            update_metrics(predictions, batch)

        validator.update_metrics = refine_and_update

    def _consensus(self, raw: RawPredictions, result: Any, place: int) -> Any:
        """Return the consensus of an image of the batch, if the weights look at it."""
        weights = self.refiner.weights
        if "consensus" not in weights.signals or weights.skeleton is None:
            return None
        return raw.consensus(result, skeletons.get(weights.skeleton).sigmas, place)

    def _refined(self, result: Any, consensus: Any) -> dict[str, torch.Tensor]:
        """Return what the refiner gives of the N poses of an image, where its boxes are.

        That is their scores and, where the weights have a joint head, the joint estimates.
        """
        if result.boxes.data.is_cuda:
            return self._refined_in_place(result, consensus)
        poses = replace(Poses.from_ultralytics(result), consensus=consensus)
        refined = self.refiner(poses, on_error="raw")
        remember(poses.keypoints, refined.scores, poses.scores)
        given = {name: getattr(refined, name) for name in ("scores", *JOINT_ESTIMATES)}
        device = result.boxes.data.device
        return {
            name: torch.as_tensor(array.copy(), device=device)
            for name, array in given.items()
            if array is not None
        }

    def _refined_in_place(self, result: Any, consensus: Any) -> dict[str, torch.Tensor]:
        """Do the same for tensors on a GPU without a copy to the host.

        Faulty poses keep their raw scores as there; `validate` is what lets them.
        """
        points, boxes = result.keypoints.data, result.boxes
        height, width = result.orig_shape
        confidence = points[..., 2] if points.shape[-1] == 3 else None
        given = {
            "keypoints": _nan_where_absent(points[..., :2], confidence),
            "scores": boxes.conf,
            "keypoint_scores": confidence,
            "boxes": boxes.xyxy,
            "image_size": (width, height),
            "consensus": consensus,
        }
        scores: torch.Tensor = self.refiner.refine(**given, on_error="raw", validate=True)
        remember(points[..., :2], scores, boxes.conf)
        refined = {"scores": scores}
        if self.refiner.weights.joints is not None:
            joints = self.refiner.joints(**given)
            estimates = (joints.confidence, joints.covariance)
            refined |= dict(zip(JOINT_ESTIMATES, estimates, strict=True))
        return refined


def _nan_where_absent(points: torch.Tensor, confidence: torch.Tensor | None) -> torch.Tensor:
    """Return (N, K, 2) keypoints with NaN as in `poses.adapters.from_ultralytics`."""
    if confidence is None:
        return points
    absent = (points == 0).all(dim=2) & (confidence == 0)
    return torch.where(absent[..., None], torch.nan, points)


class _ValidatorAdapter:
    """A validator with the interface of a predictor, for `RawPredictions`."""

    def __init__(self, validator: Any) -> None:
        self.model = validator  # it has `names` and `kpt_shape`, too
        self.predictions: Any = None  # before suppression
        self._suppress = validator.postprocess
        validator.postprocess = self._keep_and_suppress

    def postprocess(self, predictions: Any, images: Any, originals: Any) -> None:
        """Do nothing: these predictions are suppressed already."""

    def _keep_and_suppress(self, predictions: Any) -> Any:
        before = predictions[0] if isinstance(predictions, (list, tuple)) else predictions
        self.predictions = before.clone()  # suppression may change it in place
        return self._suppress(predictions)


def _result(prediction: Any, batch: Any, index: int) -> Results:
    """Return a validator's prediction in pixels of the image, as `predict` gives it."""
    shape, padding = batch["ori_shape"][index], batch["ratio_pad"][index]
    size = batch["img"].shape[2:]
    boxes = ops.scale_boxes(size, prediction["bboxes"].clone(), shape, ratio_pad=padding)
    keypoints = ops.scale_coords(size, prediction["keypoints"].clone(), shape, ratio_pad=padding)
    return _results(shape, boxes, keypoints, prediction)


def _as_seen(prediction: Any, batch: Any) -> Results:
    """Return a validator's prediction in pixels of the network's input."""
    size = tuple(batch["img"].shape[2:])
    boxes = ops.clip_boxes(prediction["bboxes"].clone(), size)
    keypoints = ops.clip_coords(prediction["keypoints"].clone(), size)
    return _results(size, boxes, keypoints, prediction)


def _results(shape: tuple[int, ...], boxes: Any, keypoints: Any, prediction: Any) -> Results:
    columns = [boxes, prediction["conf"][:, None], prediction["cls"][:, None]]
    blank = np.broadcast_to(np.uint8(0), (*shape, 3))
    return Results(blank, "", {}, boxes=torch.cat(columns, dim=1), keypoints=keypoints)


def _owner(callback: Any) -> Any:
    return getattr(callback, "__self__", None)


def _is_numpy(array: Any) -> bool:
    return isinstance(array, np.ndarray)
