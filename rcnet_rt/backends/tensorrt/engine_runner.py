"""An engine of the whole step in the memory of torch: poses on the GPU in, their scores out.

Not run on hardware yet: the tests run it against a fake library whose engine is onnxruntime's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from rcnet_rt.backends.protocol import Backend, Refined
from rcnet_rt.backends.tensorrt.onnx_engine import logger_of
from rcnet_rt.backends.tensorrt.records import EngineRecord
from rcnet_rt.errors import BackendError
from rcnet_rt.poses.arrays import as_tensor
from rcnet_rt.poses.fields import SIGNALS
from rcnet_rt.rescoring.batch import fill
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.joint_head import JOINT_OUTPUTS, JointEstimates
from rcnet_rt.rescoring.weights import Weights

__all__ = ["EngineBackend", "EngineRunner", "Ordered", "SideStream"]

Result = TypeVar("Result")
Ordered = Callable[[Callable[[int], None], Callable[[], Result]], Result]
"""Runs the first function with the handle of a stream and the second after it; see `SideStream`."""


class SideStream:
    """A stream of an engine's own, as TensorRT asks for, in order with the caller's streams."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def __call__(self, work: Callable[[int], None], collect: Callable[[], Result]) -> Result:
        """Run `work` on this stream and `collect` on the caller's; the host does not wait."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        self._stream.wait_event(self._done)  # of another thread, which may have another stream
        with torch.cuda.stream(self._stream):
            work(self._stream.cuda_stream)
        current.wait_stream(self._stream)
        result = collect()
        self._done.record(current)
        return result


class EngineRunner:
    """An engine with memory for as many poses as it takes. Safe to call from several threads.

    Args:
        trt: the module `tensorrt` or `tensorrt_rtx`.
        content: the engine.
        record: of that engine.
        device: where its memory is.
        ordered: runs work on a stream.

    Raises:
        BackendError: the library does not take the engine.
    """

    def __init__(
        self, trt: Any, content: bytes, record: EngineRecord, device: str, ordered: Ordered[Any]
    ) -> None:
        log = logger_of(trt)
        self._runtime = trt.Runtime(log)  # an engine needs it for as long as it lives
        self._engine = self._runtime.deserialize_cuda_engine(content)
        context = None if self._engine is None else self._engine.create_execution_context()
        if context is None:
            reason = log.errors[-1] if log.errors else "it gives no reason"
            raise BackendError(f"{trt.__name__} does not load the engine ({reason})")
        self._context = context
        self._record, self._ordered = record, ordered
        self._lock = threading.Lock()
        self._memory = {
            name: torch.zeros((record.poses[-1], *shape[1:]), device=device)
            for name, shape in (*record.inputs.items(), *record.outputs.items())
        }
        for name, memory in self._memory.items():
            self._accepted(context.set_tensor_address(name, memory.data_ptr()), name)

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the outputs by name for the inputs by name, float32 with a row for each pose.

        Raises:
            BackendError: the engine fails.
        """
        count = len(inputs["scores"])

        def work(stream: int) -> None:
            for name in self._record.inputs:
                place = self._memory[name][:count]
                place.copy_(inputs[name], non_blocking=True)
                self._accepted(self._context.set_input_shape(name, tuple(place.shape)), name)
            self._accepted(self._context.execute_async_v3(stream), "the poses")

        def collect() -> dict[str, Tensor]:
            return {name: self._memory[name][:count].clone() for name in self._record.outputs}

        with self._lock:
            outputs: dict[str, Tensor] = self._ordered(work, collect)
        return outputs

    @staticmethod
    def _accepted(success: bool, what: str) -> None:
        if not success:
            raise BackendError(f"the TensorRT engine refuses {what}")


class EngineBackend:
    """The step as one engine; torch runs what the engine does not take.

    That is more poses than it is for, several images at once, signals that are not among its
    inputs, and a score reference.

    Args:
        runner: of the engine.
        record: of the engine.
        weights: that it was built from.
        torch_backend: for the rest; on the same device.
    """

    name = "tensorrt"

    def __init__(
        self,
        runner: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
        record: EngineRecord,
        weights: Weights,
        torch_backend: Backend,
    ) -> None:
        self._runner, self._record, self._weights = runner, record, weights
        self._torch = torch_backend
        self._process = os.getpid()
        self.device = torch_backend.device
        self._unread = [name for name in SIGNALS if name not in record.inputs]

    def __call__(self, inputs: PoseInputs) -> Refined:
        """Refine the poses; see `Backend`."""
        if os.getpid() != self._process or not self._fits(inputs):
            return self._torch(inputs)  # it also says why a forked process cannot use the GPU
        scores, faulty, _ = self._run(inputs)
        return Refined(scores, faulty)

    def with_joints(self, inputs: PoseInputs) -> Refined:
        """Refine the poses and estimate their joints; see `Backend`."""
        has_joints = set(JOINT_OUTPUTS) <= self._record.outputs.keys()
        if os.getpid() != self._process or not has_joints or not self._fits(inputs):
            return self._torch.with_joints(inputs)
        scores, faulty, outputs = self._run(inputs)
        joints = JointEstimates(*(outputs[name] for name in JOINT_OUTPUTS))
        return Refined(scores, faulty, joints=joints)

    def _run(self, inputs: PoseInputs) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return scores, faults and all outputs of the engine."""
        with torch.inference_mode(), torch.autocast(torch.device(self.device).type, enabled=False):
            inputs = inputs.map(
                lambda array: as_tensor(array, device=self.device, dtype=torch.float32)
            )
            faulty = fill(inputs, self._weights.embedding_size).faulty
            outputs = self._runner(self._feed(inputs, faulty))
            raw = torch.nan_to_num(inputs.scores, nan=0.0).clip(0, 1)
            return torch.where(faulty, raw, outputs["refined_scores"]), faulty, outputs

    def _fits(self, inputs: PoseInputs) -> bool:
        several = inputs.image_index is not None or inputs.reference is not None
        low, _, high = self._record.poses
        unread = any(
            getattr(inputs, name) is not None and name in self._weights.signals
            for name in self._unread
        )
        return low <= len(inputs.scores) <= high and not several and not unread

    def _feed(self, inputs: PoseInputs, faulty: Tensor) -> dict[str, Tensor]:
        """Return the engine's inputs: NaN for what is not known, and as score of faulty poses.

        A pose with such a score is seen by no other.
        """
        count = len(inputs.scores)
        alone = torch.where(faulty, torch.nan, inputs.scores)
        known: dict[str, Tensor | None] = {**inputs._asdict(), "scores": alone}
        return {
            name: torch.full((count, *shape[1:]), torch.nan, device=alone.device)
            if (value := known[name]) is None
            else value
            for name, shape in self._record.inputs.items()
        }
