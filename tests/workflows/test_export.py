"""The exported file, run by onnxruntime alone, against `refine`."""

import os
import shutil
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from rcnet_rt import BackendError, OutputError, Refiner, WeightsError
from rcnet_rt.backends.tensorrt import torch_tensorrt
from rcnet_rt.cli import main
from rcnet_rt.poses.fields import SIGNALS
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import baseline
from rcnet_rt.workflows.export import ExportedFile, export, export_onnx
from tests.backends.test_backends import OPTIONAL, SHIPPED, given_poses
from tests.conftest import ROOT
from tests.helpers.fake_tensorrt import fake_tensorrt
from tests.helpers.networks import random_weights

# Coordinates and boxes are made up here, as no estimator would give them.
pytestmark = pytest.mark.filterwarnings("ignore::rcnet_rt.errors.PosesWarning")

EXAMPLE = ROOT / "examples" / "onnx_python.py"


def exported(weights, folder, signals=()):
    path = folder / "file.onnx"
    export_onnx(weights, path, signals)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def scores_of(session, poses):
    wanted = [item.name for item in session.get_inputs()]
    feed = {name: np.asarray(poses[name], np.float32) for name in wanted}
    return session.run(["refined_scores"], feed)[0]


@pytest.mark.parametrize("name", [*SHIPPED, "signals", "paper+visual"])
@pytest.mark.parametrize("count", [0, 1, 20, 100])
@pytest.mark.parametrize("signals", [(), SIGNALS])
def test_it_gives_the_scores_of_refine(name, count, signals, tmp_path):
    weights = weights_io.find(name) if name in SHIPPED else random_weights("mlp", name)
    poses = given_poses(weights, count).map(lambda array: array.astype(np.float32))._asdict()
    session = exported(weights, tmp_path, signals)
    joints = [] if weights.joints is None else ["joint_confidence", "joint_covariance"]
    assert [item.name for item in session.get_outputs()] == ["refined_scores", *joints]
    assert all(item.type == "tensor(float)" for item in session.get_inputs())
    poses["boxes"][np.isnan(poses["boxes"])] = 7  # NaN would say that there is no box
    poses["keypoint_scores"][np.isnan(poses["keypoint_scores"])] = 0.5
    optional = [name for name in OPTIONAL if name not in SIGNALS or name in signals]
    expected = Refiner(weights).refine(
        poses["keypoints"],
        poses["scores"],
        **{name: poses[name] for name in optional},
        on_error="raw",
    )
    np.testing.assert_allclose(scores_of(session, poses), expected, rtol=0, atol=1e-5)


def test_nan_stands_for_an_input_that_refine_does_without(tmp_path):
    weights = weights_io.find("yolo-pose")
    given = given_poses(weights, 20).map(lambda array: array.astype(np.float32))
    absent = given._replace(
        keypoint_scores=given.keypoint_scores * np.nan, boxes=given.boxes * np.nan
    )
    expected = Refiner(weights).refine(given.keypoints, given.scores, on_error="raw")
    scores = scores_of(exported(weights, tmp_path), absent._asdict())
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)


def test_only_what_the_weights_use_is_an_input(tmp_path):
    def inputs(weights, signals=()):
        return {item.name for item in exported(weights, tmp_path, signals).get_inputs()}

    paper = {"keypoints", "scores", "keypoint_scores", "boxes"}
    assert inputs(random_weights("attention", "paper")) == paper
    assert inputs(random_weights("mlp", "paper+visual")) == paper | {"embeddings"}
    assert inputs(random_weights("mlp", "signals")) == paper
    assert inputs(random_weights("mlp", "signals"), SIGNALS) == paper | set(SIGNALS)


def test_the_file_says_how_to_use_it(tmp_path):
    weights = weights_io.find("yolo-pose")
    notes = exported(weights, tmp_path).get_modelmeta().custom_metadata_map
    assert notes["skeleton"] == "coco17"
    assert len(notes["keypoints"].split(",")) == 17
    assert float(notes["threshold"]) == weights.threshold("auto")
    assert "not found" in notes["nan"]
    onnx.checker.check_model(tmp_path / "file.onnx", full_check=True)


def test_the_command_writes_it_and_the_example_reads_it(tmp_path):
    path = tmp_path / "yolo-pose.onnx"
    with pytest.raises(SystemExit) as caught:
        main(["export", "--weights", "yolo-pose", "--out", str(path)])
    assert caught.value.code == 0
    done = subprocess.run([sys.executable, EXAMPLE, path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2


def test_faults_are_told(tmp_path):
    with pytest.raises(WeightsError, match="baseline"):
        export_onnx(baseline("score"), tmp_path / "file.onnx")
    with pytest.raises(OutputError, match="cannot be written"):
        export_onnx(random_weights(), Path("/nowhere/file.onnx"))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(
    "ONNXRUNTIME_ROOT" not in os.environ or shutil.which("cmake") is None,
    reason="ONNXRUNTIME_ROOT names no onnxruntime with C++ headers",
)
@pytest.mark.parametrize("name", SHIPPED)
def test_the_example_in_c_plus_plus_gives_the_scores_of_refine(name, tmp_path):
    root = os.environ["ONNXRUNTIME_ROOT"]
    source = ROOT / "examples" / "onnx_cpp"
    subprocess.run(
        ["cmake", "-S", source, "-B", tmp_path, f"-DONNXRUNTIME_ROOT={root}"], check=True
    )
    subprocess.run(["cmake", "--build", tmp_path], check=True)
    export_onnx(weights_io.find(name), tmp_path / "file.onnx")
    done = subprocess.run(
        [tmp_path / "refine", tmp_path / "file.onnx"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LD_LIBRARY_PATH": f"{root}/lib"},
    )
    # The poses of refine.cpp.
    keypoints = 100 + 37 * np.arange(68.0).reshape(2, 17, 2) % 200
    keypoints[0, 0] = np.nan
    boxes, confidence = np.array([[90, 90, 310, 310.0]] * 2), np.full((2, 17), 0.8)
    expected = Refiner(name).refine(
        keypoints, np.array([0.9, 0.4]), keypoint_scores=confidence, boxes=boxes
    )
    got = [float(line.split("->")[1]) for line in done.stdout.splitlines()]
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_the_verb(tmp_path, capsys):
    path = tmp_path / "net.onnx"
    written = export("yolo-pose", str(path))
    inputs = ("keypoints", "scores", "keypoint_scores", "boxes")
    assert written == ExportedFile(path, "yolo-pose", "onnx", inputs)
    assert export(random_weights("mlp", "signals"), path, signals=SIGNALS).inputs[-2:] == SIGNALS
    assert capsys.readouterr() == ("", "")
    with pytest.raises(FrozenInstanceError):
        written.format = "tensorrt"
    with pytest.raises(OutputError, match="unknown format 'png'; give one of onnx, tensorrt-rtx"):
        export("yolo-pose", tmp_path / "a.png", format="png")
    with pytest.raises(OutputError, match="format onnx takes no compute capabilities"):
        export("yolo-pose", path, compute_capabilities=("8.9",))
    with pytest.raises(OutputError, match="format tensorrt-rtx takes no signals"):
        export("yolo-pose", path, format="tensorrt-rtx", signals=SIGNALS)
    with pytest.raises(OutputError, match="create"):
        export("yolo-pose", tmp_path / "nowhere" / "net.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


def test_an_engine_for_rtx_gpus(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", fake_tensorrt())
    path = tmp_path / "a.engine"
    inputs = ("keypoints", "scores", "keypoint_scores", "boxes")
    written = export("yolo-pose", path, format="tensorrt-rtx")
    assert written == ExportedFile(path, "yolo-pose", "tensorrt-rtx", inputs, ("8.9", "12.0"))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.engine", "a.engine.json"]
    command = ["export", "--format", "tensorrt-rtx", "--out", str(path)]
    with pytest.raises(SystemExit) as caught:
        main([*command, "--compute-capability", "7.5", "--compute-capability", "8.9"])
    assert caught.value.code == 0
    assert "for compute capability 7.5, 8.9" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main([*command, "--compute-capability", "9.0"])
    assert caught.value.code == 1
    assert "H100 (9.0), B200 (10.0) and Jetson take TensorRT" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tensorrt-rtx", "tensorrt"])
def test_an_engine_without_its_library_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    monkeypatch.setattr(torch_tensorrt, "installed_version", lambda package: "")
    with pytest.raises(BackendError, match=rf"pip install 'rcnet-rt\[{name}\]'"):
        export("yolo-pose", tmp_path / "a.engine", format=name)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_an_engine_of_torch_tensorrt_needs_its_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_tensorrt, "installed_version", lambda package: "2.14.0")
    with pytest.raises(BackendError, match="built on the GPU that it is for"):
        export("yolo-pose", tmp_path / "a.engine", format="tensorrt")
