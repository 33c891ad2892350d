"""Threads are shared out once, and no part of a run takes more."""

from __future__ import annotations

import cv2
import pytest

from rcnet_rt.estimators.cpus import available_cpus
from rcnet_rt.video.thread_budget import MAX_CODEC_THREADS, opencv_threads, thread_budget


@pytest.mark.parametrize("cpus", [1, 2, 3, 8, 12, 64])
def test_workers_share_the_cpus(cpus: int) -> None:
    budget = thread_budget(live=False, cpus=cpus)
    assert 1 <= budget.workers * budget.estimator <= cpus
    assert budget.opencv == budget.estimator
    assert budget.decoder == budget.encoder == min(cpus, MAX_CODEC_THREADS)


def test_small_machines_have_a_worker_a_cpu_and_large_ones_threads_each() -> None:
    assert thread_budget(live=False, cpus=6).workers == 6
    many = thread_budget(live=False, cpus=64)
    assert (many.workers, many.estimator) == (8, 8)


def test_more_workers_than_cpus_have_a_thread_each() -> None:
    budget = thread_budget(live=False, workers=5, cpus=2)
    assert (budget.workers, budget.estimator) == (5, 1)


def test_a_live_source_has_one_worker_with_all_cpus() -> None:
    live = thread_budget(live=True, workers=4, cpus=8)
    assert (live.workers, live.estimator, live.opencv) == (1, 8, 8)
    assert live == thread_budget(live=False, workers=4, cpus=8).of_one_worker()


def test_without_a_number_those_of_this_process() -> None:
    assert thread_budget(live=False).cpus == available_cpus()


def test_opencv_gets_its_threads_back() -> None:
    before = cv2.getNumThreads()
    with opencv_threads(before + 1):
        assert cv2.getNumThreads() == before + 1
    assert cv2.getNumThreads() == before
