"""Engines: by the real TensorRT for RTX where it is installed, which needs no GPU to build them."""

import sys
import time

import onnx
import pytest

from rcnet_rt.backends.onnx_graph import exported_graph
from rcnet_rt.backends.tensorrt.gpus import DEFAULT_CAPABILITIES, RTX_CAPABILITIES
from rcnet_rt.backends.tensorrt.native import TENSORRT_RTX, export_engine
from rcnet_rt.backends.tensorrt.onnx_engine import POSES, build_plan, chosen_capabilities
from rcnet_rt.backends.tensorrt.protocol import Gpu
from rcnet_rt.backends.tensorrt.records import read_record, stale, weights_hash
from rcnet_rt.errors import BackendError, WeightsError
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.weights import baseline
from tests.helpers.fake_tensorrt import fake_tensorrt
from tests.helpers.networks import random_weights

SHIPPED = sorted(weights_io.available())


def shapes(values):
    """Name -> shape of inputs or outputs of an ONNX graph, -1 for the number of poses."""
    return {
        value.name: tuple(dim.dim_value or -1 for dim in value.type.tensor_type.shape.dim)
        for value in values
    }


def check_engine(name, path, capabilities):
    """Build an engine and read back what it is."""
    weights = weights_io.find(name)
    begin = time.perf_counter()
    written = export_engine(weights, path, capabilities)
    seconds = time.perf_counter() - begin
    record = read_record(path)
    assert record == written
    graph = exported_graph(weights, {}).graph
    assert record.inputs == shapes(graph.input)
    assert record.outputs == shapes(graph.output)
    assert record.outputs["refined_scores"] == (-1,)
    assert record.poses == POSES == (1, 20, 128)
    assert record.capabilities == tuple(capabilities or DEFAULT_CAPABILITIES)
    content = path.read_bytes()
    for tensor in (*record.inputs, *record.outputs):
        assert tensor.encode() in content, tensor
    assert b"no_such_tensor" not in content
    for capability in record.capabilities:
        gpu = Gpu("a GPU", capability)
        assert not stale(record, "tensorrt-rtx", TENSORRT_RTX.version(), weights_hash(weights), gpu)
    print(f"{name}: {len(content)} bytes in {seconds:.2f} s, {TENSORRT_RTX.version()}")


def test_a_real_engine_has_the_inputs_and_outputs_of_the_graph(tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    check_engine("yolo-pose", tmp_path / "yolo-pose.engine", ("8.9",))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_weights_file_becomes_an_engine_for_all_usual_gpus(name, tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    check_engine(name, tmp_path / "all.engine", ())


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["attention", "mlp", "linear"])
@pytest.mark.parametrize("features", ["signals", "paper+visual"])
def test_every_architecture_becomes_an_engine(architecture, features, tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    path = tmp_path / "a.engine"
    record = export_engine(random_weights(architecture, features), path, ("8.9",))
    assert ("embeddings" in record.inputs) is (features == "paper+visual")


def test_the_real_library_has_the_capabilities_that_we_name():
    trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    assert chosen_capabilities(trt, RTX_CAPABILITIES) == RTX_CAPABILITIES
    assert chosen_capabilities(trt, ()) == DEFAULT_CAPABILITIES


def test_capabilities_are_those_of_the_library():
    trt = fake_tensorrt()  # knows 7.5, 8.9 and 12.0
    assert chosen_capabilities(trt, ()) == ("8.9", "12.0")
    assert chosen_capabilities(trt, ("8.9", "7.5", "8.9")) == ("8.9", "7.5")
    for unknown in ("9.0", "8.7", "sm_89", ""):
        with pytest.raises(BackendError, match=r"for 7\.5, 8\.9, 12\.0; H100 \(9\.0\)"):
            chosen_capabilities(trt, ("8.9", unknown))


def test_a_build_that_fails_says_why_and_leaves_nothing(monkeypatch, tmp_path):
    trt = fake_tensorrt(failure="FP32 GEMM is not supported")
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", trt)
    weights = random_weights("linear", "full")
    with pytest.raises(BackendError, match=r"tensorrt_rtx 1\.7 cannot build .*FP32 GEMM") as caught:
        export_engine(weights, tmp_path / "a.engine")
    assert "7.5" not in str(caught.value)
    with pytest.raises(BackendError, match=r"capability 7\.5: .*tensorrt-rtx-cu13<1\.7"):
        export_engine(weights, tmp_path / "a.engine", ("7.5",))
    assert not list(tmp_path.iterdir())


def test_a_graph_that_it_does_not_take_is_told():
    with pytest.raises(BackendError, match=r"does not take the graph: .*it is no model"):
        build_plan(fake_tensorrt(), b"no model")


def test_the_profile_is_of_all_inputs(monkeypatch):
    trt, seen = fake_tensorrt(), []
    builder = trt.Builder(None)
    make = builder.create_optimization_profile
    builder.create_optimization_profile = lambda: seen.append(make()) or seen[0]
    monkeypatch.setattr(trt, "Builder", lambda log: builder)
    model = exported_graph(random_weights("linear", "full"), {})
    plan = build_plan(trt, model.SerializeToString(), ("8.9",))
    assert plan.inputs == shapes(model.graph.input)
    assert seen[0].shapes["keypoints"] == ((1, 17, 2), (20, 17, 2), (128, 17, 2))
    assert set(seen[0].shapes) == set(plan.inputs)
    assert onnx.load_from_string(plan.content).graph == model.graph


def test_without_the_library_or_a_network_it_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(BackendError, match=r"tensorrt-rtx cannot be imported.*\[tensorrt-rtx\]"):
        export_engine(random_weights(), tmp_path / "a.engine")
    with pytest.raises(WeightsError, match="baseline"):
        export_engine(baseline("score"), tmp_path / "a.engine")
