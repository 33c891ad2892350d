"""The whole way of an engine on the CPU: built, written, loaded and run by a fake library."""

import os
import sys
import threading

import numpy as np
import pytest
import torch

from rcnet_rt.backends.choice import open_backend
from rcnet_rt.backends.tensorrt import engine_runner
from rcnet_rt.backends.tensorrt.agreement import largest_difference
from rcnet_rt.backends.tensorrt.engine_runner import EngineRunner
from rcnet_rt.backends.tensorrt.native import TENSORRT_RTX
from rcnet_rt.backends.tensorrt.protocol import Gpu
from rcnet_rt.backends.tensorrt.records import read_record
from rcnet_rt.errors import BackendError
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.score_reference import ScoreReference
from tests.backends.test_backends import SHIPPED, given_poses
from tests.helpers.fake_tensorrt import fake_tensorrt
from tests.helpers.networks import random_head, random_weights

GPU = Gpu("a fake", "8.9", "cpu")


def in_order(work, collect):
    """The CPU's only stream."""
    work(0)
    return collect()


@pytest.fixture
def library(monkeypatch):
    """Install the fake; what is given to `fake_tensorrt` may be changed."""

    def install(**behaviour):
        monkeypatch.setitem(sys.modules, "tensorrt_rtx", fake_tensorrt(**behaviour))
        monkeypatch.setattr(engine_runner, "SideStream", lambda device: in_order)
        return TENSORRT_RTX

    return install


def loaded(library, weights, path):
    library.build(weights, path, GPU)
    return library.load(path, weights, GPU)


def numbers(result):
    return [np.asarray(array) for array in result[:2]]


@pytest.mark.parametrize("count", [1, 20])
def test_an_engine_gives_eagers_joints(count, library, tmp_path):
    weights = random_weights("mlp", "full", joints=random_head("full"))
    backend, eager = (
        loaded(library(), weights, tmp_path / "a.engine"),
        open_backend(weights, "torch"),
    )
    given = given_poses(weights, count, ("keypoint_scores", "boxes"))
    result, expected = backend.with_joints(given), eager.with_joints(given)
    np.testing.assert_allclose(result.scores, expected.scores, rtol=0, atol=1e-5)
    assert result.joints is not None and expected.joints is not None  # noqa: PT018
    np.testing.assert_allclose(
        result.joints.confidence, expected.joints.confidence, rtol=0, atol=1e-4
    )
    np.testing.assert_allclose(
        result.joints.covariance, expected.joints.covariance, rtol=2e-2, atol=1e-2
    )


@pytest.mark.parametrize("name", [*SHIPPED, "attention", "mlp"])
def test_an_engine_gives_eagers_scores_for_poses_with_every_fault(name, library, tmp_path):
    weights = weights_io.find(name) if name in SHIPPED else random_weights(name, "full")
    backend = loaded(library(), weights, tmp_path / "a.engine")
    eager = open_backend(weights, "torch")
    assert (backend.name, backend.device) == ("tensorrt", "cpu")
    for count in (1, 3, 20, 128):
        for optional in ((), ("keypoint_scores", "boxes")):
            given = given_poses(weights, count, optional, seed=count)
            (scores, faulty), (expected, faults) = map(numbers, (backend(given), eager(given)))
            np.testing.assert_array_equal(faulty, faults)
            np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-5)
    assert largest_difference(backend, eager, weights, (1, 128)) < 2e-5


def test_torch_runs_what_the_engine_does_not_take(library, tmp_path):
    weights = random_weights("mlp", "signals")
    backend = loaded(library(), weights, tmp_path / "a.engine")
    calls = []
    backend._runner = lambda inputs: calls.append(len(inputs["scores"]))
    eager = open_backend(weights, "torch")
    plain = given_poses(weights, 20, ("boxes",))
    reference = ScoreReference(np.array([0.1, 0.5, 0.9]), np.array([9.0, 2.0, 0.5]), 0.4)
    for given in (
        given_poses(weights, 0, ()),
        given_poses(weights, 129, ()),
        given_poses(weights, 20, ("agreement",)),
        plain._replace(image_index=np.arange(20.0)),
        plain._replace(reference=reference),
    ):
        for got, expected in zip(numbers(backend(given)), numbers(eager(given)), strict=True):
            np.testing.assert_array_equal(got, expected)
    assert not calls
    with pytest.raises(TypeError):  # the runner above gives nothing
        backend(plain)
    assert calls == [20]


def test_a_forked_process_is_left_to_torch(library, tmp_path, monkeypatch):
    weights = random_weights("linear", "full")
    backend = loaded(library(), weights, tmp_path / "a.engine")
    backend._runner = None
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert len(backend(given_poses(weights, 5)).scores) == 5


def test_threads_do_not_mix_their_poses(library, tmp_path):
    weights = random_weights("linear", "full")
    backend = loaded(library(), weights, tmp_path / "a.engine")
    given = [given_poses(weights, 5 + seed, (), seed) for seed in range(4)]
    alone = [numbers(backend(each))[0] for each in given]
    results = {}

    def run(index):
        results[index] = [numbers(backend(given[index]))[0] for _ in range(20)]

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(given))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, expected in enumerate(alone):
        for got in results[index]:
            np.testing.assert_array_equal(got, expected)


def test_an_engine_that_cannot_be_loaded_or_refuses_its_inputs_says_so(library, tmp_path):
    weights = random_weights("linear", "full")
    path = tmp_path / "a.engine"
    with pytest.raises(BackendError, match="does not load the engine"):
        loaded(library(loads=False), weights, path)
    trt, record = fake_tensorrt(), read_record(path)
    runner = EngineRunner(trt, path.read_bytes(), record, "cpu", in_order)
    many = {name: torch.zeros(128, *shape[1:]) for name, shape in record.inputs.items()}
    runner(many)
    runner._context.execute_async_v3 = lambda stream: False
    with pytest.raises(BackendError, match="refuses the poses"):
        runner(many)
