"""Compiled once a machine, kept, compiled anew when what it is made of changes."""

import os
import subprocess
import sys

import pytest

from rcnet_rt.errors import BackendError

pytest.importorskip("numba")
from rcnet_rt import compiling, formulas
from rcnet_rt.backends import numba as backend

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
    return "compiling the_step" in done.stderr


def test_it_is_compiled_once_and_kept(tmp_path):
    assert compiles(tmp_path)
    assert not compiles(tmp_path)


def test_a_change_of_what_it_is_made_of_is_seen(monkeypatch, tmp_path):
    before = compiling.stamp(backend.SOURCES)
    changed = tmp_path / "formulas.py"
    changed.write_text("CONFIDENT = 0.3\n")
    monkeypatch.setattr(formulas, "__file__", str(changed))
    assert compiling.stamp(backend.SOURCES) != before


def test_where_nothing_can_be_kept_it_is_compiled_each_time(monkeypatch):
    def njit(*arguments, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(compiling.numba, "njit", njit)
    assert compiling.compiled(test_it_is_compiled_once_and_kept, ()) is not None


def test_what_cannot_be_compiled_is_told(monkeypatch):
    def fails(*_):
        raise compiling.NumbaError("no such processor\nand much more")

    monkeypatch.setattr(compiling, "_kept", fails)
    with pytest.raises(BackendError, match=r"cannot compile fails here: no such processor$"):
        compiling.compiled(fails, ())
