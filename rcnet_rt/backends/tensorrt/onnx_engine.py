"""An engine of the exported ONNX graph, built by the Python API of TensorRT or TensorRT for RTX.

Both have the same API; the second also builds for GPUs that are not there. Single precision: TF32
multiplies with 10 bits of mantissa, and optimisations that ignore NaN would lose its meaning.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from rcnet_rt.backends.tensorrt.gpus import DEFAULT_CAPABILITIES, INSTALL_TENSORRT
from rcnet_rt.backends.tensorrt.records import Shape
from rcnet_rt.errors import BackendError

__all__ = ["POSES", "Plan", "build_plan", "chosen_capabilities", "logger_of"]

POSES = (1, 20, 128)  # minimum, usual and maximum number of the optimisation profile

logger = logging.getLogger(__name__)


class Plan(NamedTuple):
    """A built engine, and what the library says of its inputs and outputs."""

    content: bytes
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]


def chosen_capabilities(trt: Any, wanted: Collection[str]) -> tuple[str, ...]:
    """Return the compute capabilities to build for: those wanted, or the library's usual ones.

    Raises:
        BackendError: the library does not build for one of them.
    """
    known = _capabilities(trt)
    for capability in wanted:
        if capability not in known:
            raise BackendError(
                f"TensorRT for RTX {trt.__version__} does not build for compute capability "
                f"{capability}, only for {', '.join(known)}; H100 (9.0), B200 (10.0) and Jetson "
                f"take TensorRT through torch-tensorrt, built on that machine: {INSTALL_TENSORRT} "
                "and --format tensorrt"
            )
    chosen = wanted or [name for name in DEFAULT_CAPABILITIES if name in known]
    return tuple(dict.fromkeys(chosen))


def build_plan(trt: Any, model: bytes, capabilities: Sequence[str] = ()) -> Plan:
    """Return the engine of an ONNX model.

    Args:
        trt: the module `tensorrt` or `tensorrt_rtx`.
        model: serialised; the first axis of each input is the number of poses.
        capabilities: compute capabilities to build for; none for the GPU that is there.

    Raises:
        BackendError: the library does not take the model, or has no kernels for a GPU.
    """
    log = logger_of(trt)
    log.errors.clear()
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model):
        reasons = [str(parser.get_error(index)) for index in range(parser.num_errors)]
        raise BackendError(f"{trt.__name__} {trt.__version__} does not take the graph: {reasons}")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    config.set_flag(trt.BuilderFlag.STRICT_NANS)
    inputs = _shapes(network.get_input(index) for index in range(network.num_inputs))
    profile = builder.create_optimization_profile()
    for name, shape in inputs.items():
        profile.set_shape(name, *[(count, *shape[1:]) for count in POSES])
    config.add_optimization_profile(profile)
    if capabilities:
        _set_capabilities(trt, config, capabilities)
    content = builder.build_serialized_network(network, config)
    if content is None:
        raise BackendError(_failure(trt, capabilities, list(log.errors)))
    outputs = _shapes(network.get_output(index) for index in range(network.num_outputs))
    return Plan(bytes(content), inputs, outputs)


@lru_cache
def logger_of(trt: Any) -> Any:
    """Return the logger of a library, which keeps to the first that it gets."""

    class Logger(trt.ILogger):  # type: ignore[misc]  # its module has no types
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: deque[str] = deque(maxlen=5)

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.errors.append(message)
            logger.debug("%s: %s", trt.__name__, message)

    return Logger()


def _capabilities(trt: Any) -> dict[str, Any]:
    """Return the library's constants of the compute capabilities, by names such as "8.9"."""
    members = trt.ComputeCapability.__members__
    return {
        f"{name[2:-1]}.{name[-1]}": member
        for name, member in members.items()
        if name.startswith("SM")
    }


def _set_capabilities(trt: Any, config: Any, capabilities: Sequence[str]) -> None:
    known = _capabilities(trt)
    config.num_compute_capabilities = len(capabilities)
    for index, capability in enumerate(capabilities):
        config.set_compute_capability(known[capability], index)


def _shapes(tensors: Any) -> dict[str, Shape]:
    return {tensor.name: tuple(tensor.shape) for tensor in tensors}


def _failure(trt: Any, capabilities: Sequence[str], reasons: list[str]) -> str:
    reason = reasons[-1] if reasons else "it gives no reason"
    advice = ""
    if "7.5" in capabilities:
        advice = (
            "; of the versions that were tried, 1.6.1 builds for compute capability 7.5: "
            "pip install 'tensorrt-rtx-cu13<1.7', or run torch's CUDA graphs there"
        )
    return f"{trt.__name__} {trt.__version__} cannot build the engine ({reason}){advice}"
