"""Tests that signal their own process: only a main thread handles signals, and pytest may not."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

__all__ = ["in_own_process"]


def in_own_process(test: Callable[[], None]) -> None:
    """Run a test, a function of a module, in the main thread of a new process."""
    process = multiprocessing.get_context("spawn").Process(target=test)
    process.start()
    process.join(120)
    assert process.exitcode == 0
