"""Functions that Numba compiles once on a machine and caches until their source changes.

Numba itself looks at changes of the one file in which the compiled function stands. So that
function closes over a `source_hash` of all modules that it is made of, which becomes part of the
key of Numba's cache.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import logging
import sys
from collections.abc import Callable, Iterator
from pickle import UnpicklingError  # only to catch it
from types import ModuleType
from typing import Any

import numba
from numba.core import event
from numba.core.caching import FunctionCache
from numba.core.errors import NumbaError

from rcnet_rt.errors import BackendError

__all__ = ["between", "compiled", "imported_modules", "jit", "source_hash"]

# A product and a sum in one instruction; a division that does not stop to look for zeros.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}
jit = numba.njit(**OPTIONS)  # for what a compiled function calls

logger = logging.getLogger(__name__)


@jit  # type: ignore[untyped-decorator]
def between(value: float, low: float, high: float) -> float:
    """Return the number of that range that is nearest."""
    return min(max(value, low), high)


def source_hash(module: ModuleType) -> str:
    """Return a hash of the source of a module and of all modules here that it imports.

    It is empty where there are no sources, as in a frozen program, where they do not change.
    """
    try:
        sources = [inspect.getsource(each) for each in imported_modules(module)]
    except OSError:
        return ""
    return hashlib.sha256("".join(sources).encode()).hexdigest()


def imported_modules(module: ModuleType) -> list[ModuleType]:
    """Return a module and the modules of this package that it imports, at any depth, by name.

    Raises:
        OSError: there are no sources.
    """
    names, waiting = {module.__name__}, [module.__name__]
    while waiting:
        new = set(_imports(sys.modules[waiting.pop()])) - names
        names |= new
        waiting += new
    return [sys.modules[name] for name in sorted(names)]


def _imports(module: ModuleType) -> Iterator[str]:
    """Yield the modules of this package that the import statements of a module name."""
    package = __name__.partition(".")[0]
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package):
            for alias in node.names:
                member = f"{node.module}.{alias.name}"
                yield member if member in sys.modules else str(node.module)


def compiled(function: Callable[..., Any], signature: tuple[Any, ...]) -> Callable[..., Any]:
    """Return the function compiled for this machine, or as Numba cached it.

    It holds Python's lock while it runs: shorter than waiting for it afterwards would be.

    Raises:
        BackendError: it cannot be compiled here, or there is no folder to cache it in: compiling it
            at every start would be worse than doing without.
    """
    try:
        with event.install_listener("numba:compile", _Announce(function.__name__)):
            try:
                return numba.njit(signature, cache=True, **OPTIONS)(function)
            except (EOFError, OSError, ValueError, UnpicklingError, LookupError, AttributeError):
                # A cache that was cut off, as by a loss of power, is discarded.
                FunctionCache(function).flush()  # type: ignore[no-untyped-call]
                return numba.njit(signature, cache=True, **OPTIONS)(function)
    except NumbaError as error:
        message = getattr(error, "msg", error)  # its text without colours
        reason = str(message).splitlines()[0]
        raise BackendError(f"numba cannot compile {function.__name__} here: {reason}") from error
    except RuntimeError as error:
        raise BackendError(
            f"numba finds no folder for its cache ({error}); set NUMBA_CACHE_DIR to one"
        ) from error


class _Announce(event.Listener):
    """Logs once that something is being compiled."""

    def __init__(self, name: str) -> None:
        self._name, self._announced = name, False

    def on_start(self, event: Any) -> None:
        if not self._announced:
            logger.warning("compiling %s for this CPU, once: some seconds", self._name)
        self._announced = True

    def on_end(self, event: Any) -> None:
        pass
