"""onnxruntime on the CPU: the default, for its small overhead on few poses."""

from __future__ import annotations

from typing import Literal

import numpy as np
import onnxruntime

from rcnet_rt.arrays import Array
from rcnet_rt.backends.onnx_graph import build_graph
from rcnet_rt.weights_file import Weights

__all__ = ["OnnxBackend"]


class OnnxBackend:
    """Runs the network in onnxruntime; takes and gives NumPy arrays."""

    name = "onnx"
    device = "cpu"
    arrays: Literal["numpy"] = "numpy"

    def __init__(self, weights: Weights) -> None:
        options = onnxruntime.SessionOptions()
        # One frame is too little work for a second thread, and spinning threads cost the estimator.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            build_graph(weights).SerializeToString(), options, ["CPUExecutionProvider"]
        )
        self._inputs = [item.name for item in self._session.get_inputs()]

    def __call__(self, features: Array, base: Array, picture: Array) -> Array:
        """Score the poses; see `Backend`."""
        given = {"features": features, "base": base, "picture": picture}
        feed = {name: np.ascontiguousarray(given[name], np.float32) for name in self._inputs}
        return self._session.run(None, feed)[0]
