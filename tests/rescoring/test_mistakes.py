"""Likely mistakes of a caller are told once, and right input never is."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.backends.choice import ON_CPU, missing, open_backend
from rcnet_rt.datasets.results import poses_by_image, read_results
from rcnet_rt.errors import PosesError, PosesWarning
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.inputs import inputs_of
from rcnet_rt.rescoring.mistakes import UNIT_RANGE, Expected, evidence, find, is_suspicious
from rcnet_rt.workflows.benchmark import some_poses

SIZE = (640, 480)


def arrays(poses: Poses) -> dict[str, np.ndarray]:
    names = ("keypoints", "scores", "keypoint_scores", "boxes")
    return {name: getattr(poses, name).astype(np.float64) for name in names}


def people(count: int = 6) -> dict[str, np.ndarray]:
    """People in the right half of an image, whose boxes hold them."""
    poses = arrays(some_poses(count, seed=1))
    poses["keypoints"] += (600, 400)
    low, high = np.nanmin(poses["keypoints"], axis=1), np.nanmax(poses["keypoints"], axis=1)
    poses["boxes"] = np.concatenate([low - 5, high + 5], axis=1)
    return poses


def with_sides(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def centred(boxes: np.ndarray) -> np.ndarray:
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.concatenate([middle, boxes[:, 2:] - boxes[:, :2]], axis=1)


def unsure_at_zero(given: dict[str, np.ndarray]) -> np.ndarray:
    points = given["keypoints"].copy()
    points[given["keypoint_scores"] < 0.3] = 0
    return points


MISTAKES = {
    "x, y, width, height": (lambda g: {"boxes": with_sides(g["boxes"])}, "x, y, width, height"),
    "centres": (lambda g: {"boxes": centred(g["boxes"])}, "centre x, centre y"),
    "rows first": (lambda g: {"boxes": g["boxes"][:, [1, 0, 3, 2]] + (900, 0) * 2}, "boxes: "),
    "relative boxes": (lambda g: {"boxes": g["boxes"] / (SIZE * 2)}, "divided by the image size"),
    "percent": (lambda g: {"scores": 100 * g["scores"]}, "scores: got .* percent"),
    "8 bits": (lambda g: {"scores": (255 * g["scores"]).astype(np.uint8)}, "8-bit"),
    "rounded": (lambda g: {"scores": g["scores"].round().astype(int)}, "whole numbers"),
    "logits": (lambda g: {"scores": 8 * g["scores"] - 5}, "logits"),
    "joints in percent": (lambda g: {"keypoint_scores": 100 * g["keypoint_scores"]}, "percent"),
    "flags": (lambda g: {"keypoint_scores": (2 * g["keypoint_scores"]).round()}, "visibility"),
    "relative": (
        lambda g: {"keypoints": g["keypoints"] / SIZE / 2, "boxes": g["boxes"] / (SIZE * 2) / 2},
        "divided by the image size",
    ),
    "zeros": (lambda g: {"keypoints": unsure_at_zero(g)}, r"\(0, 0\)"),
}
RIGHT = people()
BACKENDS = [name for name in (*ON_CPU, "torch") if not missing(name)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_once_raises_or_is_ignored(name: str, backend: str) -> None:
    change, sentence = MISTAKES[name]
    given = {**RIGHT, **change(RIGHT), "image_size": SIZE}
    refiner = Refiner("yolo-pose", backend=backend)
    with pytest.warns(PosesWarning, match=sentence):
        refined = refiner.refine(**given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refiner.refine(**given)
        ignored = Refiner("yolo-pose", backend=backend).refine(**given, on_mistake="ignore")
    np.testing.assert_array_equal(refined, ignored)
    with pytest.raises(PosesError, match=sentence):
        refiner.refine(**given, on_mistake="raise")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("weights", ["yolo-pose", "generic"])
def test_right_input_is_not_warned_about(weights: str, backend: str) -> None:
    refiner = Refiner(weights, backend=backend)
    first = refiner.refine(**RIGHT, on_mistake="raise")
    np.testing.assert_array_equal(refiner.refine(**RIGHT, on_mistake="raise"), first)


def test_scores_that_were_refined_already_are_known() -> None:
    refiner = Refiner("yolo-pose")
    refined = refiner.refine(**RIGHT)
    with pytest.warns(PosesWarning, match="refining twice"):
        refiner.refine(**{**RIGHT, "scores": refined})


def test_poses_keep_the_estimators_scores_so_that_refining_twice_changes_nothing() -> None:
    refiner, poses = Refiner("yolo-pose"), Poses(**RIGHT)
    once = refiner(poses, on_mistake="raise")
    np.testing.assert_array_equal(refiner(once, on_mistake="raise").scores, once.scores)


def test_what_on_mistake_may_be() -> None:
    with pytest.raises(PosesError, match="on_mistake: expected warn, ignore, raise, got 'stop'"):
        Refiner("yolo-pose").refine(**RIGHT, on_mistake="stop")  # type: ignore[arg-type]


def test_scores_of_another_range_than_the_training_are_told(tmp_path: Path) -> None:
    """A1: the official score of Lightweight OpenPose runs to 528, the file's to 1.84."""
    refiner = Refiner("lightweight-openpose")
    given = {key: RIGHT[key] for key in ("keypoints", "scores")}
    refiner.refine(**given, on_mistake="raise")
    with pytest.warns(PosesWarning, match="scores: got .* trained on 0.2"):
        refiner.refine(given["keypoints"], 500 * given["scores"])


@pytest.mark.parametrize(
    "file",
    ["yolov8n-pose_val2017", "yolov8n-pose_train2017", "val1540/*", "lightweight-openpose_val2017"],
)
def test_no_frame_of_real_results_is_a_mistake(file: str, shared_data: Path) -> None:
    for path in sorted((shared_data / "predictions").glob(f"{file}.json.gz")):
        expected = Expected(None if "openpose" in path.name else UNIT_RANGE, UNIT_RANGE)
        frames = poses_by_image(read_results(path), COCO17)
        for image, item in list(frames.items())[:400]:
            inputs = inputs_of(item.poses)
            assert not find(inputs, expected), (path.name, image)


@pytest.mark.parametrize("count", [1, 5, 20])
def test_a_kernel_collects_the_same_evidence(count: int) -> None:
    pytest.importorskip("numba")
    weights = weights_io.find("yolo-pose")
    for name, (change, _) in {"right": (lambda g: {}, ""), **MISTAKES}.items():
        right = people(count)
        changed = {**right, **change(right)}
        poses = Poses(**{key: np.asarray(value, float) for key, value in changed.items()})
        result = open_backend(weights, "numba")(inputs_of(poses))
        seen, kernel = evidence(inputs_of(poses)), result.evidence
        assert kernel is not None
        np.testing.assert_allclose(kernel[1:7], seen[1:7], err_msg=name)
        assert (kernel.misplaced_boxes > 0) == (seen.misplaced_boxes > 0), name
        expected = Expected(UNIT_RANGE, UNIT_RANGE)
        assert is_suspicious(kernel, expected) == is_suspicious(seen, expected), name


def test_no_poses_and_poses_without_joints_are_no_mistake() -> None:
    refiner = Refiner("yolo-pose", backend="torch")
    nothing = np.full((2, 17, 2), np.nan)
    refiner.refine(nothing, np.array([0.5, 0.2]), on_mistake="raise")
    assert refiner.refine(nothing[:0], np.zeros(0), on_mistake="raise").shape == (0,)
