"""Which part of a run may use how many of the CPUs: decided here, once, for all of them.

A file is done soonest where every CPU works on a frame of its own: the threads of one inference
wait for each other at every layer. A live source has one frame at a time, and all CPUs work on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rcnet_rt.estimators.cpus import available_cpus

__all__ = ["ThreadBudget", "opencv_threads", "thread_budget"]

MAX_WORKERS = 8  # each is a copy of the model; beyond, each gets more threads
MAX_CODEC_THREADS = 8  # each holds a frame; more decode hardly faster


@dataclass(frozen=True)
class ThreadBudget:
    """The threads of a run.

    Attributes:
        cpus: how many CPUs they share.
        workers: estimators that each work on a frame of their own.
        estimator: threads of each of them.
        decoder: threads that decode a file.
        encoder: threads that encode a video.
        opencv: threads of one call of OpenCV.
    """

    cpus: int
    workers: int
    estimator: int
    decoder: int
    encoder: int
    opencv: int

    def of_one_worker(self) -> ThreadBudget:
        """Return the budget where one estimator has all CPUs."""
        return _budget(self.cpus, 1)


def thread_budget(
    *, live: bool, workers: int | None = None, cpus: int | None = None
) -> ThreadBudget:
    """Return the budget of a run.

    Args:
        live: whether frames come from a camera or stream: then there is one worker.
        workers: None is one a CPU, but at most `MAX_WORKERS`.
        cpus: None is `available_cpus()`.

    >>> thread_budget(live=False, cpus=2)
    ThreadBudget(cpus=2, workers=2, estimator=1, decoder=2, encoder=2, opencv=1)
    >>> thread_budget(live=True, cpus=2)
    ThreadBudget(cpus=2, workers=1, estimator=2, decoder=2, encoder=2, opencv=2)
    """
    cpus = cpus or available_cpus()
    return _budget(cpus, 1 if live else workers or min(cpus, MAX_WORKERS))


def _budget(cpus: int, workers: int) -> ThreadBudget:
    each, codec = max(1, cpus // workers), min(cpus, MAX_CODEC_THREADS)
    return ThreadBudget(cpus, workers, each, decoder=codec, encoder=codec, opencv=each)


@contextmanager
def opencv_threads(count: int) -> Iterator[None]:
    """Let each call of OpenCV use so many threads inside the block; the number is the process's."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
