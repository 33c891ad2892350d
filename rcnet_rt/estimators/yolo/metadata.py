"""What ultralytics writes into the models that it exports."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.failures import explained
from rcnet_rt.estimators.yolo.head import Head

__all__ = ["head_of"]

NEEDED = ("task", "names", "kpt_shape")


def head_of(metadata: Mapping[str, Any], model: str) -> Head:
    """Return the layout of a model's output from its metadata.

    Args:
        metadata: of an ONNX file, where all values are text, or of an OpenVINO folder.
        model: its name, for messages.

    Raises:
        EstimatorError: there is none, it cannot be read, or the model gives no poses.
    """
    task = metadata.get("task")
    if task is not None and task != "pose":
        raise EstimatorError(
            f"{model} is a model for the task {task!r}, not 'pose'; "
            "use a pose model such as yolov8n-pose"
        )
    missing = [name for name in NEEDED if name not in metadata]
    if missing:
        raise EstimatorError(
            f"{model} has no metadata {', '.join(missing)}, which tell how to read its output; "
            "export it with ultralytics, and keep metadata.yaml in an OpenVINO folder"
        )
    remedy = "export it again with ultralytics"
    with explained(f"the metadata of {model} cannot be read", remedy):
        joints, values = map(int, _value(metadata["kpt_shape"]))
        if joints < 1 or values not in (2, 3):
            raise ValueError(f"kpt_shape is {(joints, values)}, expected (joints, 2 or 3)")
        options = _value(metadata.get("args", {}))
        return Head(
            classes=len(_value(metadata["names"])),
            joints=joints,
            values=values,
            end2end=bool(_value(metadata.get("end2end", False)) or options.get("nms", False)),
            stride=int(metadata.get("stride", Head.stride)),
        )


def _value(value: Any) -> Any:
    """Return the value that a text stands for."""
    return ast.literal_eval(value) if isinstance(value, str) else value
