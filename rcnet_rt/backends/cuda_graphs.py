"""CUDA graphs: the whole step recorded once for each size, then launched as one.

Recorded sizes are padded buckets. Inputs and outputs stay in the same memory; a frame costs copies
into it and one launch, and the host never waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rcnet_rt.rescoring.inputs import ARRAYS, PoseInputs

__all__ = ["BUCKETS", "CudaGraphs", "Step"]

BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
WARM_UP = 3  # runs before recording, for libraries to settle

Step = Callable[[PoseInputs], tuple[Tensor, ...]]


class _Recording(NamedTuple):
    graph: Any
    inputs: PoseInputs
    results: tuple[Tensor, ...]


class CudaGraphs:
    """A step that is recorded when a bucket and a choice of inputs first turn up, then replayed."""

    def __init__(self, step: Step, device: str) -> None:
        self._step, self._device = step, device
        self._lock = threading.Lock()
        self._recordings: dict[tuple[Any, ...], _Recording] = {}
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def fits(self, inputs: PoseInputs) -> bool:
        """Whether there is a bucket for so many poses; a reference is not part of a recording."""
        return 0 < len(inputs.scores) <= BUCKETS[-1] and inputs.reference is None

    def __call__(self, inputs: PoseInputs) -> tuple[Tensor, ...]:
        """Return what the step does."""
        count = len(inputs.scores)
        bucket = next(size for size in BUCKETS if size >= count)
        shapes = (
            None if a is None else (tuple(a.shape[1:]), str(a.dtype)) for a in _arrays(inputs)
        )
        with self._lock, torch.cuda.device(self._device):
            key = (bucket, *shapes)
            if key not in self._recordings:
                self._recordings[key] = self._record(inputs, bucket)
            recording = self._recordings[key]
            torch.cuda.current_stream().wait_event(self._done)  # of another thread's stream
            _fill(recording.inputs, inputs, count)
            recording.graph.replay()
            results = tuple(result[:count].clone() for result in recording.results)
            self._done.record()
        return results

    def _record(self, inputs: PoseInputs, bucket: int) -> _Recording:
        def space(array: Tensor) -> Tensor:
            return torch.zeros((bucket, *array.shape[1:]), dtype=array.dtype, device=self._device)

        static = inputs._replace(image_size=None).map(space)
        _fill(static, inputs, len(inputs.scores))
        stream = _warm_up_stream(self._device)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._step(static)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = self._step(static)
        return _Recording(graph, static, results)


@lru_cache
def _warm_up_stream(device: str) -> torch.cuda.Stream:
    """Return one stream for all recordings of a device: cuBLAS keeps workspace for each stream.

    What that saves has not been measured.
    """
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _arrays(inputs: PoseInputs) -> list[Tensor | None]:
    return [getattr(inputs, name) for name in ARRAYS]


def _fill(static: PoseInputs, inputs: PoseInputs, count: int) -> None:
    """Copy the poses in; padding has a NaN score, so that no pose sees it."""
    for place, array in zip(_arrays(static), _arrays(inputs), strict=True):
        if place is not None and array is not None:
            place[:count].copy_(array, non_blocking=True)
    static.scores[count:] = float("nan")
