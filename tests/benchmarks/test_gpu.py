"""The command that measures a GPU, tried on the CPU without the packages that it must not need."""

import json
import subprocess
import sys
import time
from types import SimpleNamespace

import click
import numpy as np
import pytest
import torch

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import kernels, throughput
from benchmarks.gpu.measuring import Deadline, attempt
from benchmarks.gpu.people import people
from benchmarks.gpu.steps import shipped
from rcnet_rt.models import rcnet

ABSENT = (
    "av", "supervision", "ultralytics", "rich", "cv2", "numba", "onnx", "onnxruntime",
    "faster_coco_eval", "matplotlib", "pycocotools", "psutil",
)  # fmt: skip
RUN = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({ABSENT!r}))
runpy.run_module("benchmarks.gpu", run_name="__main__", alter_sys=True)
"""


def test_it_measures_with_torch_numpy_click_and_safetensors_alone(tmp_path):
    path = tmp_path / "figures.json"
    arguments = ["--device", "cpu", "--minutes", "0.02", "--json", str(path)]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "failed" not in path.read_text("utf-8")
    results = json.loads(path.read_text("utf-8"))
    assert list(results) == ["machine", *command.PARTS]
    for weights in shipped():
        differences = results["agreement"][weights]["eager"]
        assert len(differences) == 12  # tensors and NumPy arrays of six counts
        assert max(differences.values()) < 1e-4
    assert results["latency"]["yolo-pose, 20 poses"][0]["p50_us"] > 0
    assert results["epoch"]["paper"]["extrapolated"] is True
    assert results["epoch"]["paper"]["parameters"] == 69985


def test_a_part_that_fails_is_recorded_and_the_others_run(monkeypatch, capsys):
    def broken(device, deadline):
        raise RuntimeError("CUDA error:\n  out of memory")

    parts = {"first": (50, broken), "second": (50, lambda device, deadline: {"figure": 1.5})}
    monkeypatch.setattr(command, "PARTS", parts)
    written = []
    command.measure("cpu", 0.01, lambda results: written.append(json.dumps(results)))
    assert [list(json.loads(text)) for text in written] == [
        ["machine"],
        ["machine", "first"],
        ["machine", "first", "second"],
    ]
    last = json.loads(written[-1])
    assert last["first"]["failed"] == "RuntimeError: CUDA error: out of memory"
    assert last["second"]["figure"] == 1.5
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_a_usage_error():
    with pytest.raises(click.UsageError, match="--device cpu works"):
        command.main(["--device", "cuda"], standalone_mode=False)


def test_the_profiler_events_are_counted_by_kind():
    def event(name, microseconds):
        return SimpleNamespace(
            name=name, time_range=SimpleNamespace(elapsed_us=lambda: microseconds)
        )

    copy = event("Memcpy HtoD (Pageable -> Device)", 2)
    events = [event("gemm", 3), event("add", 5), copy, copy, event("Memset (Device)", 1)]
    assert kernels.summary(events, calls=2) == {
        "kernels": 1,
        "kernel_us": 4,
        "copies": {"Memcpy HtoD": 1, "Memset": 0.5},
    }
    with pytest.raises(RuntimeError, match="CUPTI"):
        kernels.summary([], calls=1)


def test_frames_as_a_batch_dimension_give_the_scores_of_masked_attention():
    network = rcnet.from_weights(shipped()["yolo-pose-rcnet"])
    with torch.inference_mode():
        assert throughput._difference(network, network.config.feature_count, "cpu") < 1e-5
        moved = network.encoder.self_attn.in_proj_weight
        before = moved.clone()
        features, baseline = torch.randn(2, 20, network.config.feature_count), torch.randn(2, 20)
        scores = throughput.batched_scores(network, features, baseline)
        moved.mul_(2)
        assert not torch.equal(scores, throughput.batched_scores(network, features, baseline))
        moved.copy_(before)


def test_people_are_decided_by_the_seed_and_on_the_image():
    first, again, other = people(100, 1, signals=True), people(100, 1, signals=True), people(100, 2)
    np.testing.assert_array_equal(first.keypoints, again.keypoints)
    assert not np.array_equal(first.scores, other.scores)
    assert other.agreement is None
    assert np.isnan(first.keypoints).any()
    assert len(people(0)) == 0


def test_a_deadline_is_shared_and_a_failure_is_a_result():
    deadline = Deadline(time.perf_counter() + 100)
    assert 40 < deadline.share(2).left <= 50
    assert attempt(lambda: 3) == 3
    assert attempt(int, "x")["failed"].startswith("ValueError")
