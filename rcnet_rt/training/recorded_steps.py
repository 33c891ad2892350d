"""Training steps on a GPU as CUDA graphs: one launch in the place of some hundred.

Kernels of so small a network take less time than their launches. A graph has fixed shapes, so there
is one for each batch size; batches of whole images have a few dozen sizes. The arithmetic is that
of the step without graphs, random numbers included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["RecordedSteps"]


class _Recording(NamedTuple):
    graph: Any
    batch: tuple[Tensor, ...]
    loss: Tensor


class RecordedSteps:
    """A training step that runs as it is for a new batch size, and is a CUDA graph from then on.

    Args:
        step: takes the tensors of a batch, all (P, …), and returns the detached loss. It must not
            wait for the GPU, nor read numbers of the host that change from step to step.
        device: as torch spells it.
    """

    def __init__(self, step: Callable[..., Tensor], device: str) -> None:
        self._step = step
        self._recordings: dict[int, _Recording | None] = {}  # None: ran once, for libraries to load
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, *batch: Tensor) -> Tensor:
        """Run the step; return its loss."""
        size = len(batch[0])
        if size not in self._recordings:
            self._recordings[size] = None
            return self._run(batch)
        recording = self._recordings[size]
        if recording is None:
            recording = self._recordings[size] = self._record(batch)
        for place, column in zip(recording.batch, batch, strict=True):
            place.copy_(column)
        recording.graph.replay()
        return recording.loss.clone()

    def _run(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Run the step on the stream that records, since autograd keeps to the stream it knows."""
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            loss = self._step(*batch)
        current.wait_stream(self._stream)
        return loss

    def _record(self, batch: tuple[Tensor, ...]) -> _Recording:
        static = tuple(column.clone() for column in batch)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            loss = self._step(*static)
        return _Recording(graph, static, loss)
