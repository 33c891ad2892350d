"""RTMPose and RTMO: against rtmlib's own output, with small networks of random parameters.

The networks answer by the colours of the image, so that the order of the channels, the frame of
the coordinates and the scores show.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rcnet_rt import estimators
from rcnet_rt.errors import EstimatorError
from rcnet_rt.rescoring.score_convention import UNBOUNDED_JOINTS, UNIT, UNIT_JOINTS, ScoreConvention

rtmlib = pytest.importorskip("rtmlib", reason="rtmlib is not installed: rcnet-rt[rtmlib]")

FLOOR = 0.3  # rtmlib's own, for a detector with suppression inside
BOXES = np.array([[30, 20, 90, 120], [100, 40, 150, 150], [5, 5, 40, 60]], np.float32)


@pytest.fixture(scope="module")
def tensor() -> np.ndarray:
    """An image of one colour that no two channels share, wider than high."""
    low, high = np.array([200, 90, 20]), np.array([230, 120, 50])
    return np.random.default_rng(0).integers(low, high, (240, 360, 3)).astype(np.uint8)


def network(path: Path, size: tuple[int, int], outputs: dict[str, tuple[Any, Any]]) -> Path:
    """Write ONNX whose outputs are weights @ (mean of each channel) + bias, in bias's shape."""
    nodes = [helper.make_node("GlobalAveragePool", ["input"], ["pooled"])]
    nodes.append(helper.make_node("Reshape", ["pooled", "row"], ["means"]))
    constants = [numpy_helper.from_array(np.array([1, 3]), "row")]
    values = []
    for name, (weights, bias) in outputs.items():
        shape = bias.shape
        constants += [
            numpy_helper.from_array(weights.reshape(3, -1).astype(np.float32), f"{name}_weights"),
            numpy_helper.from_array(bias.reshape(1, -1).astype(np.float32), f"{name}_bias"),
            numpy_helper.from_array(np.array(shape), f"{name}_shape"),
        ]
        nodes += [
            helper.make_node("MatMul", ["means", f"{name}_weights"], [f"{name}_product"]),
            helper.make_node("Add", [f"{name}_product", f"{name}_bias"], [f"{name}_flat"]),
            helper.make_node("Reshape", [f"{name}_flat", f"{name}_shape"], [name]),
        ]
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, *size])
    graph = helper.make_graph(nodes, "random", [image], values, constants)
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def detections(scores: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes that stay; scores that rise with the blue channel."""
    bias = np.concatenate([BOXES, np.array(scores)[:, None]], axis=1)[None]
    weights = np.zeros((3, *bias.shape))
    weights[0, ..., 4] = 1e-4
    return weights, bias


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    simcc = {}
    for axis, length in (("simcc_x", 384), ("simcc_y", 512)):
        weights, bias = rng.normal(0, 0.3, (3, 1, 17, length)), rng.uniform(0, 1, (1, 17, length))
        weights[:, 0, 3], bias[0, 3] = 0, -1  # a joint that is never found
        simcc[axis] = (weights, bias)
    joints = rng.uniform(0, 150, (1, 3, 17, 3))
    joints[..., 2] = rng.uniform(0.1, 0.9, (1, 3, 17))
    drift = np.zeros((3, *joints.shape))
    drift[:, ..., :2] = rng.uniform(0, 0.1, (3, 1, 3, 17, 2))
    empty, unscored = detections([0.01, 0.02, 0.03]), (np.zeros((3, 12)), BOXES[None])
    return {
        "detector": str(network(folder / "det.onnx", (416, 416), {"dets": detections(SCORES)})),
        "pose": str(network(folder / "rtmpose-r.onnx", (256, 192), simcc)),
        "rtmo": str(
            network(
                folder / "rtmo-r.onnx",
                (320, 320),
                {"dets": detections(SCORES), "keypoints": (drift, joints)},
            )
        ),
        "blind": str(network(folder / "blind.onnx", (416, 416), {"dets": empty})),
        "boxes": str(network(folder / "boxes.onnx", (416, 416), {"dets": unscored})),
    }


SCORES = [0.9, 0.5, 0.29]


def test_rtmpose_is_rtmlibs(models: dict[str, str], tensor: np.ndarray) -> None:
    spec = f"rtmpose:{models['detector']},{models['pose']}"
    estimator = estimators.load(spec, floor=FLOOR, device="cpu")
    poses = estimator.estimate(tensor)
    detector = rtmlib.YOLOX(models["detector"], model_input_size=(416, 416))
    body = rtmlib.RTMPose(models["pose"], model_input_size=(192, 256))
    boxes = detector(tensor)
    keypoints, scores = body(tensor, bboxes=boxes)
    assert len(poses) == len(boxes) == 3, "the third passes the floor by its blue"
    found = poses.found
    np.testing.assert_array_equal(poses.keypoints[found], keypoints.astype(np.float32)[found])
    np.testing.assert_array_equal(poses.keypoint_scores, scores.astype(np.float32))
    np.testing.assert_array_equal(poses.boxes, boxes)
    ratio = 416 / 360  # the detector's image is filled to its width
    np.testing.assert_allclose(poses.boxes, BOXES / ratio, rtol=1e-5)
    assert poses.image_size == (360, 240)


def test_rtmpose_pose_scores_are_the_detectors(models: dict[str, str], tensor: np.ndarray) -> None:
    spec = f"rtmpose:{models['detector']},{models['pose']}"
    poses = estimators.load(spec, floor=0.05, device="cpu").estimate(tensor)
    gains = poses.scores - np.float32(SCORES)
    # Blue fills 240 of 360 rows, grey 114 the rest: more than that is another channel's.
    blue = tensor[..., 0].mean() * 240 / 360 + 114 / 3
    np.testing.assert_allclose(gains, 1e-4 * blue, rtol=0.01)


def test_rtmpose_joints_without_a_peak_are_missing(
    models: dict[str, str], tensor: np.ndarray
) -> None:
    spec = f"rtmpose:{models['detector']},{models['pose']}"
    poses = estimators.load(spec, floor=FLOOR, device="cpu").estimate(tensor)
    assert not poses.found[:, 3].any()
    assert poses.found.sum(axis=1).tolist() == [16] * 3
    assert (poses.keypoint_scores > 1).any(), "SimCC peaks pass 1"
    shown = ScoreConvention.of([poses])
    assert shown == ScoreConvention(UNIT, UNBOUNDED_JOINTS)
    assert shown == estimators.load(spec, floor=FLOOR, device="cpu").score_convention


def test_nobody_is_nobody(models: dict[str, str], tensor: np.ndarray) -> None:
    spec = f"rtmpose:{models['blind']},{models['pose']}"
    poses = estimators.load(spec, floor=FLOOR, device="cpu").estimate(tensor)
    assert poses.keypoints.shape == (0, 17, 2)
    whole, _ = rtmlib.RTMPose(models["pose"], model_input_size=(192, 256))(tensor, bboxes=[])
    assert len(whole) == 1, "rtmlib takes the whole image for a person: why the adapter does not"
    rtmo = estimators.load(f"rtmo:{models['rtmo']}", floor=0.95, device="cpu")
    assert len(rtmo.estimate(tensor)) == 0


def test_rtmo_is_rtmlibs(models: dict[str, str], tensor: np.ndarray) -> None:
    estimator = estimators.load(f"rtmo:{models['rtmo']}", floor=0.05, device="cpu")
    poses = estimator.estimate(tensor)
    model = rtmlib.RTMO(models["rtmo"], model_input_size=(320, 320))
    keypoints, scores = model(tensor, score_thr=0.05)
    np.testing.assert_array_equal(poses.keypoints, keypoints.astype(np.float32))
    np.testing.assert_array_equal(poses.keypoint_scores, scores)
    np.testing.assert_allclose(poses.boxes, BOXES * 360 / 320, rtol=1e-6)
    assert np.argsort(-poses.scores).tolist() == [0, 1, 2]
    assert ScoreConvention.of([poses]) == estimator.score_convention
    assert estimator.score_convention == ScoreConvention(UNIT, UNIT_JOINTS)


def test_names_and_families(models: dict[str, str]) -> None:
    spec = f"rtmpose:{models['detector']},{models['pose']}"
    assert estimators.family(spec) == "rtmpose"
    assert estimators.family("rtmo:lightweight") == "rtmo"
    assert estimators.load(spec, floor=FLOOR).name == "rtmpose-r"
    assert estimators.load(f"rtmo:{models['rtmo']}", floor=FLOOR).name == "rtmo-r"


def test_loading_says_nothing(models: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    estimators.load(f"rtmo:{models['rtmo']}", floor=FLOOR)
    assert capsys.readouterr() == ("", "")


def test_models_that_are_none(models: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(EstimatorError, match=r"broken.onnx cannot be loaded"):
        estimators.load(f"rtmo:{tmp_path / 'broken.onnx'}", floor=FLOOR)
    with pytest.raises(EstimatorError, match=r"no model file at nothere\.onnx"):
        estimators.load("rtmo:nothere.onnx", floor=FLOOR)
    with pytest.raises(EstimatorError, match=r"give a mode, or DETECTOR\.onnx,POSE\.onnx"):
        estimators.load("rtmpose:nothere.onnx", floor=FLOOR)
    with pytest.raises(EstimatorError, match="4 values a person, not box and score"):
        estimators.load(f"rtmpose:{models['boxes']},{models['pose']}", floor=FLOOR)
    with pytest.raises(EstimatorError, match="RTMO failed"):
        estimators.load(f"rtmo:{models['detector']}", floor=FLOOR)
