"""Cases of `refine`: common mistakes, made of real poses, and unusual arrays."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rcnet_rt import Poses, PosesError, Refiner
from rcnet_rt.datasets.pose_files import is_results
from rcnet_rt.datasets.results import poses_by_image, read_results
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.rescoring.weights_io import find
from tests.cases.commands import Case, Places, call

__all__ = ["CASES", "right_input"]

Change = Callable[[dict[str, Any]], None]
YOLO = "yolov8n-pose_val2017.json.gz"
IMAGES = 60
NAMES = ("keypoints", "scores")


def images(path: Path, limit: int | None = None) -> Iterator[Poses]:
    """Yield the poses of a results file, image by image."""
    for index, image in enumerate(poses_by_image(read_results(path), COCO17).values()):
        if index == limit:
            return
        yield image.poses


def arguments(poses: Poses) -> dict[str, Any]:
    """Return the poses as the arguments of `refine`."""
    return {
        "keypoints": poses.keypoints.copy(),
        "scores": poses.scores.copy(),
        "keypoint_scores": poses.keypoint_scores,
        "boxes": poses.boxes,
        "image_size": (640, 640),
    }


def as_width_and_height(given: dict[str, Any]) -> None:
    corner, opposite = np.split(given["boxes"], 2, axis=1)
    given["boxes"] = np.concatenate([corner, opposite - corner], axis=1)


def as_centre(given: dict[str, Any]) -> None:
    corner, opposite = np.split(given["boxes"], 2, axis=1)
    given["boxes"] = np.concatenate([(corner + opposite) / 2, opposite - corner], axis=1)


def in_percent(given: dict[str, Any]) -> None:
    given["scores"] = given["scores"] * 100


def bytes_as_scores(given: dict[str, Any]) -> None:
    given["scores"] = (given["scores"] * 255).astype(np.uint8)


def joints_in_percent(given: dict[str, Any]) -> None:
    given["keypoint_scores"] = given["keypoint_scores"] * 100


def logits(given: dict[str, Any]) -> None:
    shares = np.clip(given["keypoint_scores"], 1e-4, 1 - 1e-4)
    given["keypoint_scores"] = np.log(shares / (1 - shares))


def flags(given: dict[str, Any]) -> None:
    given["keypoint_scores"] = np.where(given["keypoint_scores"] > 0.5, 2.0, 1.0)


def normalised(given: dict[str, Any]) -> None:
    given["keypoints"] = given["keypoints"] / 640
    given["boxes"] = given["boxes"] / 640


def absent_at_zero(given: dict[str, Any]) -> None:
    given["keypoints"][given["keypoint_scores"] < 0.3] = 0


def whole_scores(given: dict[str, Any]) -> None:
    given["scores"] = np.round(given["scores"]).astype(np.int64)


def mistake(what: str, change: Change) -> Case:
    """Return the case of a mistake: in which frame it is seen, and what is said."""

    def outcome(places: Places) -> str:
        refiner = Refiner("yolo-pose")
        for index, poses in enumerate(images(places.data / "predictions" / YOLO, IMAGES)):
            given = arguments(poses)
            change(given)
            try:
                refiner.refine(**given, on_mistake="raise")
            except PosesError as error:
                return f"frame {index + 1}: {error}"
        return f"nothing is said in {IMAGES} frames"

    return Case("A10", f"refine: {what}", outcome)


def twice(places: Places) -> str:
    refiner = Refiner("yolo-pose")
    for index, poses in enumerate(images(places.data / "predictions" / YOLO, IMAGES)):
        given = arguments(poses)
        given["scores"] = refiner.refine(**given)
        said = call(lambda given=given: refiner.refine(**given, on_mistake="raise"))  # type: ignore[misc]
        if said.startswith("PosesError"):
            return f"frame {index + 1}: {said}"
    return f"nothing is said in {IMAGES} frames"


def right_input(data: Path) -> str:
    """Return how often poses of the results files are taken for a mistake, frame by frame."""
    frames = mistaken = 0
    start = time.perf_counter()
    for path in sorted((data / "predictions").rglob("*.json*")):
        if not is_results(path):
            continue
        refiner = Refiner("lightweight-openpose" if "lightweight" in path.name else "yolo-pose")
        for poses in images(path):
            frames += 1
            try:
                refiner(poses, on_mistake="raise")
            except PosesError:
                mistaken += 1
    took = time.perf_counter() - start
    return f"right input: {mistaken} of {frames} frames of real poses mistaken ({took:.0f} s)"


def one_pose(**more: Any) -> dict[str, Any]:
    spread = np.linspace(10, 90, 34, dtype=np.float32).reshape(1, 17, 2)
    return {"keypoints": spread, "scores": np.array([0.5], np.float32), **more}


def masked(places: Places) -> str:
    refiner = Refiner("yolo-pose", backend="onnx")
    points = one_pose()["keypoints"]
    nan, mask = points.copy(), np.zeros(points.shape, bool)
    nan[0, 3], mask[0, 3] = np.nan, True
    with_nan = refiner.refine(**one_pose(keypoints=nan))
    with_mask = refiner.refine(**one_pose(keypoints=np.ma.masked_array(points, mask)))
    return f"masked joint {with_mask[0]:.6f}, NaN joint {with_nan[0]:.6f}"


def weights(what: str, change: Callable[[Weights], Weights]) -> Case:
    """Return the case of weights whose parameters cannot be."""
    return Case("A14", f"weights: {what}", lambda _: call(lambda: change(find("yolo-pose"))))


def huge(right: Weights) -> Weights:
    tensors = {name: np.asarray(value) * 1e30 for name, value in right.tensors.items()}
    return replace(right, tensors=tensors)


def refining(number: str, what: str, make: Callable[[], dict[str, Any]]) -> Case:
    """Return the case of one call of `refine`."""
    return Case(number, what, lambda _: call(lambda: repr(Refiner("yolo-pose").refine(**make()))))


def bfloat16() -> dict[str, Any]:
    return {name: torch.tensor(value).bfloat16() for name, value in one_pose().items()}


def with_gradient() -> dict[str, Any]:
    return one_pose(scores=torch.tensor([0.5], requires_grad=True))


def meta() -> dict[str, Any]:
    return {name: torch.tensor(value, device="meta") for name, value in one_pose().items()}


def pickled(places: Places) -> str:
    refiner = Refiner("yolo-pose")
    copy = pickle.loads(pickle.dumps(refiner))
    same = copy.refine(**one_pose()) == refiner.refine(**one_pose())
    return f"same scores from the copy: {bool(same.all())}"


CASES = (
    mistake("boxes as x, y, width, height", as_width_and_height),
    mistake("boxes as centre, width, height", as_centre),
    mistake("scores in percent", in_percent),
    mistake("scores as bytes", bytes_as_scores),
    mistake("joint scores in percent", joints_in_percent),
    mistake("joint scores as logits", logits),
    mistake("flags as joint scores", flags),
    mistake("coordinates in 0-1", normalised),
    mistake("(0, 0) for absent joints", absent_at_zero),
    mistake("whole numbers as scores", whole_scores),
    Case("A10", "refine: refined twice", twice),
    Case("A13", "masked arrays, refine", masked),
    refining("A13", "complex numbers", lambda: one_pose(scores=np.array([0.5 + 1j]))),
    weights("tensors x 1e30", huge),
    weights("embedding_size -3", lambda right: replace(right, embedding_size=-3)),
    refining("B3", "refine([], [])", lambda: {"keypoints": [], "scores": []}),
    refining("B3", "np.array([])", lambda: dict.fromkeys(NAMES, np.array([]))),
    refining("B3", "torch.tensor([])", lambda: dict.fromkeys(NAMES, torch.tensor([]))),
    refining("B4", "bfloat16 tensors", bfloat16),
    refining("B4", "a tensor that requires a gradient beside NumPy", with_gradient),
    refining("B4", "meta tensors", meta),
    Case("B5", "pickle of a Refiner", pickled),
)
