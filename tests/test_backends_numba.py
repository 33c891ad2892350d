"""What the compiled backend does beside its numbers, which test_backends.py holds."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest

from rcnet_rt import backends
from rcnet_rt.errors import BackendError
from rcnet_rt.refiner import Refiner
from tests.networks import random_weights
from tests.test_backends import given_poses

numba = pytest.importorskip("numba")
from rcnet_rt.backends import numba as module  # noqa: E402

OPEN = "from rcnet_rt.refiner import Refiner; Refiner('generic', backend='numba')"


def compiles(tmp_path, **environment):
    """Whether a new process compiles the kernel; it says so on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return "compiling the step" in done.stderr


def test_it_is_compiled_once_and_kept(tmp_path):
    assert compiles(tmp_path)
    assert not compiles(tmp_path)


def test_a_change_of_what_the_kernel_is_made_of_is_seen(monkeypatch, tmp_path):
    stamp = module._stamp()
    changed = tmp_path / "formulas.py"
    changed.write_text("CONFIDENT = 0.3\n")
    monkeypatch.setattr(module.formulas, "__file__", str(changed))
    assert module._stamp() != stamp


def test_weights_of_every_kind_share_one_compilation(caplog):
    module._compiled.cache_clear()
    Refiner("yolo-pose", backend="numba")
    with caplog.at_level(logging.WARNING):
        for weights in ("generic", "lightweight-openpose", random_weights("attention", "dekr")):
            Refiner(weights, backend="numba")
    assert not caplog.records
    assert module._compiled.cache_info().misses == 1


def test_arrays_that_are_not_contiguous_or_not_writeable_are_taken():
    weights = random_weights("mlp", "full")
    backend = backends.open_backend(weights, "numba")
    given = given_poses(weights, 20, ("keypoint_scores", "boxes"))
    expected, _ = backend(given)
    turned = given.map(lambda array: np.asfortranarray(array))
    for array in turned[:4]:
        array.flags.writeable = False
    np.testing.assert_array_equal(backend(turned)[0], expected)


def test_auto_takes_it_where_it_is(monkeypatch):
    assert backends.auto()[0] == "numba"
    monkeypatch.setitem(backends.PACKAGES, "numba", {"no_such_package": "pip install it"})
    assert backends.auto()[0] == "onnx"
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


def test_where_nothing_can_be_kept_it_is_compiled_each_time(monkeypatch):
    def njit(*arguments, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(module.numba, "njit", njit)
    assert module._kept(len, (), {}) is len


def test_what_cannot_be_compiled_is_told(monkeypatch):
    def fails(*_):
        raise module.NumbaError("no such processor\nand much more")

    monkeypatch.setattr(module, "_kept", fails)
    module._compiled.cache_clear()
    with pytest.raises(BackendError, match=r"here: no such processor$"):
        Refiner("yolo-pose", backend="numba")
