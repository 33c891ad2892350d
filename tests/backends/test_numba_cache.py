"""Compiled once a machine, kept, compiled anew when what it is made of changes."""

import inspect
import os
import subprocess
import sys

import pytest

from rcnet_rt.errors import BackendError

pytest.importorskip("numba")
from rcnet_rt.backends import numba_cache, numba_kernel
from rcnet_rt.rescoring import constants

OPEN = "from rcnet_rt.refiner import Refiner; Refiner('generic', backend='numba')"


def compiles(tmp_path):
    """Whether a new process compiles the kernel; it says so on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return "compiling rescore_poses" in done.stderr


def test_it_is_compiled_once_kept_and_compiled_again_where_the_cache_was_cut_off(tmp_path):
    """The last is what a loss of power leaves."""
    assert compiles(tmp_path)
    assert not compiles(tmp_path)
    files = [path for path in tmp_path.rglob("*.nb*") if path.is_file()]
    assert len(files) >= 2
    for cut, path in enumerate(files):
        path.write_bytes(path.read_bytes()[: 7 * cut])
    assert compiles(tmp_path)
    assert not compiles(tmp_path)


def test_a_change_of_what_it_is_made_of_is_seen(monkeypatch):
    before = numba_cache.source_hash(numba_kernel)
    source = inspect.getsource
    monkeypatch.setattr(
        inspect, "getsource", lambda module: source(module) + "\n" * (module is constants)
    )
    assert numba_cache.source_hash(numba_kernel) != before


def test_a_program_without_sources_has_a_stamp(monkeypatch):
    def none(_):
        raise OSError("source code not available")

    monkeypatch.setattr(inspect, "getsource", none)
    assert numba_cache.source_hash(numba_kernel) == ""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("no locator available"), "no folder .*no locator.*NUMBA_CACHE_DIR"),
        (
            numba_cache.NumbaError("no such CPU\nand more"),
            "cannot compile source_hash here: no such CPU$",
        ),
    ],
)
def test_what_cannot_be_compiled_or_kept_is_told(monkeypatch, error, told):
    def njit(*_, **__):
        raise error

    monkeypatch.setattr(numba_cache.numba, "njit", njit)
    with pytest.raises(BackendError, match=told):
        numba_cache.compiled(numba_cache.source_hash, ())
