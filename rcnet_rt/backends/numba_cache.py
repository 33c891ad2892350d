"""Functions that Numba compiles: once a machine, kept, and compiled anew when their source changes.

Numba itself looks at changes of the file alone in which the compiled function stands. So that
function closes over a `stamp` of all sources that it is made of, which becomes part of the key
under which Numba keeps the code.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numba
from numba.core import event
from numba.core.errors import NumbaError

from rcnet_rt.errors import BackendError

__all__ = ["between", "compiled", "jit", "stamp"]

# A product and a sum in one instruction; a division that does not stop to look for zeros.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}
jit = numba.njit(**OPTIONS)  # for what a compiled function calls

logger = logging.getLogger(__name__)


@jit  # type: ignore[untyped-decorator]
def between(value: float, low: float, high: float) -> float:
    """Return the number of that range that is nearest."""
    return min(max(value, low), high)


def stamp(modules: Sequence[ModuleType]) -> str:
    """Return what changes when the source of a module, or how it is compiled, does."""
    try:
        sources = [inspect.getsource(module) for module in (sys.modules[__name__], *modules)]
    except OSError:  # a frozen program has no sources, and they do not change
        return ""
    return hashlib.sha256("".join(sources).encode()).hexdigest()


def compiled(function: Callable[..., Any], signature: tuple[Any, ...]) -> Callable[..., Any]:
    """Return the function compiled for this machine, or as Numba kept it.

    It holds Python's lock while it runs: shorter than waiting for it afterwards would be.

    Raises:
        BackendError: it cannot be compiled here, or there is no folder to keep it in: compiling it
            at every start would be worse than doing without.
    """
    try:
        with event.install_listener("numba:compile", _Announce(function.__name__)):
            return numba.njit(signature, cache=True, **OPTIONS)(function)
    except NumbaError as error:
        reason = str(error).splitlines()[0]
        raise BackendError(f"numba cannot compile {function.__name__} here: {reason}") from error
    except RuntimeError as error:
        raise BackendError(
            f"numba finds no folder for what it compiles ({error}); set NUMBA_CACHE_DIR to one"
        ) from error


class _Announce(event.Listener):
    """Says once that something is being compiled."""

    def __init__(self, name: str) -> None:
        self._name, self._said = name, False

    def on_start(self, event: Any) -> None:
        if not self._said:
            logger.warning("compiling %s for this CPU, once: some seconds", self._name)
        self._said = True

    def on_end(self, event: Any) -> None:
        pass
