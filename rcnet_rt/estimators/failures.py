"""Exceptions of other libraries, as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rcnet_rt.errors import EstimatorError, RcnetError

__all__ = ["explained"]


@contextmanager
def explained(what: str, remedy: str) -> Iterator[None]:
    """Turn any exception into an `EstimatorError`: what failed, and what to check.

    Raises:
        EstimatorError: there was one.
    """
    try:
        yield
    except RcnetError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise EstimatorError(f"{what}: {reason}; {remedy}") from error
