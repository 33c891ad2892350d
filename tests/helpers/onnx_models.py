"""ONNX files of pose networks that always give the same output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

POSE = {"task": "pose", "names": "{0: 'person'}", "kpt_shape": "[17, 3]", "stride": "32"}


def pose_model(
    path: Path, output: np.ndarray, *, shape: tuple[Any, ...] = (1, 3, 64, 64), **metadata: str
) -> Path:
    """Write a network that takes images of a shape, as ultralytics exports them.

    Args:
        path: of the file.
        output: what it gives.
        shape: of the input; a text leaves an axis open.
        metadata: in addition to that of a model of COCO's joints, or in place of it.
    """
    constants = {"output": output, "nothing": np.zeros((), np.float32)}
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["output", "zero"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, output.shape)],
        [numpy_helper.from_array(np.float32(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {**POSE, **metadata})
    onnx.save(model, path)
    return path
