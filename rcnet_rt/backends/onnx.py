"""onnxruntime on the CPU: the default, for its small overhead on few poses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import numpy as np
import onnx

from rcnet_rt.backends.onnx_graph import joint_graph, network_graph, step_graph
from rcnet_rt.backends.protocol import Refined
from rcnet_rt.poses.arrays import Array
from rcnet_rt.privacy import disable_telemetry
from rcnet_rt.rescoring.inputs import ARRAYS, PoseInputs
from rcnet_rt.rescoring.joint_head import JointEstimates
from rcnet_rt.rescoring.rescore import refined_joints, refined_scores
from rcnet_rt.rescoring.weights import Weights

disable_telemetry()  # onnxruntime reads its switch when it is imported
import onnxruntime  # noqa: E402

__all__ = ["OnnxBackend", "Session"]

Graph = Callable[[Weights, Collection[str]], onnx.ModelProto]


class OnnxBackend:
    """Runs the whole step as one graph in onnxruntime; gives NumPy arrays.

    Each choice of optional inputs has a graph of its own, built when it first turns up. It computes
    in float32, as estimators give their poses: within about 1e-5 of the reference in float64.
    """

    name = "onnx"
    device = "cpu"

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._lock = threading.Lock()
        self._steps: dict[tuple[Graph, tuple[str, ...]], Session] = {}
        self._network = Session(network_graph(weights)) if weights.uses_reference else None

    def __call__(self, inputs: PoseInputs) -> Refined:
        """Refine the poses; see `Backend`."""
        if inputs.reference is not None and self._network is not None:
            return Refined(
                *refined_scores(
                    inputs.map(partial(np.asarray, dtype=np.float64)), self._weights, self._scores
                )
            )
        return Refined(*self._run(step_graph, inputs))

    def with_joints(self, inputs: PoseInputs) -> Refined:
        """Refine the poses and estimate their joints; see `Backend`."""
        if inputs.reference is not None and self._network is not None:
            scores, faulty, estimates = refined_joints(
                inputs.map(partial(np.asarray, dtype=np.float64)), self._weights, self._scores
            )
            return Refined(scores, faulty, joints=estimates)
        scores, faulty, *joints = self._run(joint_graph, inputs)
        return Refined(scores, faulty, joints=JointEstimates(*joints))

    def _run(self, graph: Graph, inputs: PoseInputs) -> list[Any]:
        arrays = inputs._asdict()
        key = graph, tuple([name for name in ARRAYS if arrays[name] is not None])
        return (self._steps.get(key) or self._prepare(key))(arrays)

    def _prepare(self, key: tuple[Graph, tuple[str, ...]]) -> Session:
        graph, present = key
        with self._lock:
            if key not in self._steps:
                self._steps[key] = Session(graph(self._weights, present))
        return self._steps[key]

    def _scores(self, features: Array, baseline: Array, image_index: Array) -> Array:
        """The network alone: what a reference tells is not worth a graph of its own."""
        assert self._network is not None
        return self._network(
            {"features": features, "baseline": baseline, "image_index": image_index}
        )[0]


class Session:
    """A graph in onnxruntime; called with its inputs, and others that it does not read."""

    def __init__(self, model: onnx.ModelProto) -> None:
        options = onnxruntime.SessionOptions()
        # One frame is too little work for a second thread, and spinning threads cost the estimator.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, ["CPUExecutionProvider"]
        )
        self._inputs = [item.name for item in self._session.get_inputs()]
        kinds = {item.type for item in self._session.get_inputs()}
        self._real = np.float64 if "tensor(double)" in kinds else np.float32
        self._outputs = [item.name for item in self._session.get_outputs()]

    def __call__(self, given: Mapping[str, Any]) -> list[Any]:
        """Return the outputs."""
        feed = {name: self._as_real(given[name]) for name in self._inputs}
        results: list[Any] = self._session.run(self._outputs, feed)
        return results

    def _as_real(self, array: Any) -> Any:
        if isinstance(array, np.ndarray) and array.dtype == self._real:
            return array
        with np.errstate(over="ignore"):
            return np.asarray(array, self._real)
