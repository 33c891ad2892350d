"""YOLO-Pose exported by ultralytics, on the runtime of its format: no torch, no ultralytics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.network import Network
from rcnet_rt.estimators.yolo.head import Head
from rcnet_rt.estimators.yolo.metadata import head_of
from rcnet_rt.estimators.yolo.raw import DEFAULT_SIZE, RawYoloPose

__all__ = ["load_exported"]

Size = tuple[int, int]  # height, width


class ExportedNetwork(Network, Protocol):
    """A network with what ultralytics wrote into it."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the model says of itself."""
        ...

    @property
    def half(self) -> bool:
        """Whether it takes half precision."""
        ...


def load_exported(
    model: str,
    *,
    floor: float,
    device: str = "auto",
    streams: int = 1,
    threads: int | None = None,
    size: Size | None = None,
    half: bool = False,
) -> RawYoloPose:
    """Load an .onnx file, an OpenVINO folder, or its .xml file.

    Args:
        model: its path.
        floor: poses with a lower box confidence are not returned.
        device: as for `OnnxNetwork` and `OpenVinoNetwork`.
        streams: how many threads will call it at once.
        threads: on the CPU, of all streams; None leaves it to the runtime: all cores.
        size: (height, width) of the input; None is the model's own, 640 x 640 where it takes any.
        half: whether half precision is asked for, which the model must have been exported with.

    Raises:
        EstimatorError: the runtime is not installed, or the model is damaged, gives no poses, or
            was exported with another size or precision.
    """
    network = _network(model, device, streams, threads)
    head = head_of(network.metadata, network.name)
    if half and not network.half:
        raise EstimatorError(
            f"{network.name} was not exported with half precision; leave out half, or export it so"
        )
    size = _input_size(size, network.input_size, head, network.name)
    return RawYoloPose(network, floor=floor, head=head, size=size)


def _network(model: str, device: str, streams: int, threads: int | None) -> ExportedNetwork:
    """Open a model on the runtime of its format."""
    if Path(model).suffix.lower() == ".onnx":
        from rcnet_rt.estimators.onnxruntime import OnnxNetwork

        return OnnxNetwork(model, device=device, streams=streams, threads=threads)
    from rcnet_rt.estimators.openvino import OpenVinoNetwork

    return OpenVinoNetwork(model, device=device, streams=streams, threads=threads)


def _input_size(wanted: Size | None, fixed: Size | None, head: Head, name: str) -> Size:
    """Return the size that images are fitted into.

    Raises:
        EstimatorError: the model has another.
    """
    if wanted is None:
        return fixed or DEFAULT_SIZE
    height, width = (math.ceil(side / head.stride) * head.stride for side in wanted)
    if fixed is not None and fixed != (height, width):
        raise EstimatorError(
            f"{name} was exported for images of {fixed[0]} x {fixed[1]}, and {wanted[0]} x "
            f"{wanted[1]} is asked for; leave imgsz out, or export it with dynamic=True"
        )
    return height, width
