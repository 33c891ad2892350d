"""What the compiled backend does beside its numbers, which test_backends.py holds."""

import logging
import sys
from typing import get_args

import numpy as np
import pytest

from rcnet_rt.backends import choice
from rcnet_rt.errors import BackendError
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring import baselines, features
from rcnet_rt.rescoring.network_config import Architecture
from rcnet_rt.rescoring.weights_io import find
from tests.backends.test_backends import given_poses
from tests.helpers.networks import random_weights

numba = pytest.importorskip("numba")
from rcnet_rt.backends import numba as module  # noqa: E402


def test_weights_of_every_kind_share_one_compilation(caplog):
    module._kernel.cache_clear()
    Refiner("yolo-pose", backend="numba")
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        for weights in ("generic", "lightweight-openpose", random_weights("attention", "dekr")):
            Refiner(weights, backend="numba")
    assert not caplog.records
    assert module._kernel.cache_info().misses == 1


def test_arrays_that_are_not_contiguous_or_not_writeable_are_taken():
    weights = random_weights("mlp", "full")
    backend = choice.open_backend(weights, "numba")
    given = given_poses(weights, 20, ("keypoint_scores", "boxes"))
    expected = backend(given).scores
    turned = given.map(lambda array: np.asfortranarray(array))
    for array in (turned.keypoints, turned.scores, turned.keypoint_scores, turned.boxes):
        array.flags.writeable = False
    np.testing.assert_array_equal(backend(turned).scores, expected)


def test_auto_takes_it_where_it_is(monkeypatch):
    assert choice.auto()[0] == "numba"
    monkeypatch.setitem(choice.PACKAGES, "numba", {"no_such_package": "pip install it"})
    assert choice.auto()[0] == "onnx"
    with pytest.raises(BackendError, match="pip install it"):
        Refiner("generic", backend="numba")


@pytest.mark.filterwarnings("default:backend numba")
def test_auto_does_without_it_where_it_does_not_work(monkeypatch):
    """Numba says no to a NumPy that is newer than it."""
    monkeypatch.setitem(sys.modules, "rcnet_rt.backends.numba", None)
    with pytest.warns(UserWarning, match="does not work here.*onnx runs instead"):
        refiner = Refiner("yolo-pose")
    assert refiner.backend_name == "onnx"
    assert refiner.backend_reason == "the one chosen does not work here"
    with pytest.raises(BackendError, match="does not work here"):
        Refiner("yolo-pose", backend="numba")


def test_it_needs_no_onnxruntime(monkeypatch):
    monkeypatch.setitem(choice.PACKAGES, "onnx", {"no_such_package": "pip install it"})
    monkeypatch.setitem(sys.modules, "rcnet_rt.backends.onnx", None)
    refiner = Refiner("generic")
    assert refiner.backend_name == "numba"
    assert refiner._session.backend._with_reference.name == "torch"


def test_what_the_kernel_does_not_know_is_refused_and_never_the_raw_score(monkeypatch):
    added = {**baselines.BASELINES, "new": baselines.BASELINES["score_times_confidence"]}
    monkeypatch.setattr(baselines, "BASELINES", added)
    weights = random_weights("mlp", "full", baseline="new")
    with pytest.raises(BackendError, match="does not know the baseline 'new'"):
        choice.open_backend(weights, "numba")
    with pytest.warns(UserWarning, match="does not know the baseline 'new'.*onnx runs instead"):
        assert choice.open_backend(weights).name == "onnx"


def test_the_kernel_knows_every_baseline_feature_set_and_architecture():
    assert set(module.BASELINES) == set(baselines.BASELINES)
    assert set(module.FEATURES) == set(features.FEATURE_SETS)
    assert set(module.ARCHITECTURES) == set(get_args(Architecture))


@pytest.mark.parametrize("error", [OSError("libnuma"), AttributeError("x"), ValueError("threads")])
@pytest.mark.parametrize("name", ["numba", "onnx"])
def test_auto_takes_the_next_where_a_package_is_broken(monkeypatch, name, error):
    opened = choice._import_and_open

    def broken(weights, chosen, device):
        if chosen == name:
            raise error
        return opened(weights, chosen, device)

    monkeypatch.setattr(choice, "_import_and_open", broken)
    if name == "onnx":
        monkeypatch.setitem(choice.PACKAGES, "numba", {"no_such_package": "pip install it"})
    following = {"numba": "onnx", "onnx": "torch"}[name]
    with pytest.warns(UserWarning, match=f"{name} does not work here.*{following} runs instead"):
        assert choice.open_backend(random_weights()).name == following
    with pytest.raises(BackendError, match=f"backend {name} (does not work|needs)"):
        choice.open_backend(random_weights(), name)


def test_poses_with_a_reference_survive_a_broken_onnxruntime(monkeypatch):
    opened = choice._import_and_open

    def broken(weights, chosen, device):
        if chosen == "onnx":
            raise OSError("libbroken.so")
        return opened(weights, chosen, device)

    monkeypatch.setattr(choice, "_import_and_open", broken)
    with pytest.warns(UserWarning, match="onnx does not work here.*torch runs instead"):
        assert choice.open_backend(find("generic")).name == "numba"
