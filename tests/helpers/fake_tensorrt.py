"""A module with the interface of `tensorrt_rtx` whose engines are ONNX files run by onnxruntime.

Its "GPU memory" is the host's, read and written by address as the real library does.
"""

from __future__ import annotations

import ctypes
import enum
from types import ModuleType, SimpleNamespace

import numpy as np
import onnx
import onnxruntime


class ComputeCapability(enum.Enum):
    NONE = 0
    CURRENT = 1
    SM75 = 75
    SM89 = 89
    SM120 = 120


def fake_tensorrt(failure: str = "", loads: bool = True, scale: float = 1.0) -> ModuleType:
    """Return the module.

    Args:
        failure: why building fails, if it is to.
        loads: whether engines can be loaded.
        scale: the outputs of engines are multiplied by it.
    """
    module = ModuleType("tensorrt_rtx")
    module.__version__ = "1.7"
    module.ILogger = _Logger
    module.ComputeCapability = ComputeCapability
    module.NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=0)
    module.BuilderFlag = SimpleNamespace(TF32="TF32", STRICT_NANS="STRICT_NANS")
    module.OnnxParser = _Parser
    module.Builder = lambda log: _Builder(log, failure)
    module.Runtime = lambda log: _Runtime(loads, scale)
    return module


class _Logger:
    ERROR, WARNING = 1, 2


class _Network:
    def read(self, model: onnx.ModelProto) -> None:
        self.content = model.SerializeToString()
        self._inputs, self._outputs = model.graph.input, model.graph.output
        self.num_inputs, self.num_outputs = len(self._inputs), len(self._outputs)

    def get_input(self, index: int) -> SimpleNamespace:
        return _described(self._inputs[index])

    def get_output(self, index: int) -> SimpleNamespace:
        return _described(self._outputs[index])


def _described(value: onnx.ValueInfoProto) -> SimpleNamespace:
    dims = value.type.tensor_type.shape.dim
    return SimpleNamespace(name=value.name, shape=[dim.dim_value or -1 for dim in dims])


class _Parser:
    num_errors = 1

    def __init__(self, network: _Network, log: _Logger) -> None:
        self._network = network

    def parse(self, model: bytes) -> bool:
        if model == b"no model":
            return False
        self._network.read(onnx.load_from_string(model))
        return True

    def get_error(self, index: int) -> str:
        return "it is no model"


class _Builder:
    def __init__(self, log: _Logger, failure: str) -> None:
        self._log, self._failure = log, failure

    def create_network(self, flags: int) -> _Network:
        return _Network()

    def create_builder_config(self) -> _Config:
        return _Config()

    def create_optimization_profile(self) -> SimpleNamespace:
        shapes = {}
        return SimpleNamespace(
            shapes=shapes, set_shape=lambda name, *sizes: shapes.update({name: sizes})
        )

    def build_serialized_network(self, network: _Network, config: _Config) -> bytes | None:
        assert config.flags == {"STRICT_NANS"}
        if self._failure:
            self._log.log(_Logger.WARNING, "a warning")
            self._log.log(_Logger.ERROR, self._failure)
            return None
        return network.content


class _Config:
    def __init__(self) -> None:
        self.flags = {"TF32"}
        self.num_compute_capabilities = 0
        self.capabilities = {}

    def clear_flag(self, flag: str) -> None:
        self.flags.remove(flag)

    def set_flag(self, flag: str) -> None:
        self.flags.add(flag)

    def add_optimization_profile(self, profile: SimpleNamespace) -> None:
        self.profile = profile

    def set_compute_capability(self, member: ComputeCapability, index: int) -> None:
        assert index < self.num_compute_capabilities
        self.capabilities[index] = member


class _Runtime:
    def __init__(self, loads: bool, scale: float) -> None:
        self._loads, self._scale = loads, scale

    def deserialize_cuda_engine(self, content: bytes) -> SimpleNamespace | None:
        if not self._loads:
            return None
        return SimpleNamespace(create_execution_context=lambda: _Context(content, self._scale))


class _Context:
    def __init__(self, content: bytes, scale: float) -> None:
        self._session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        self._scale = scale
        self._addresses: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        return shape[0] <= 128

    def execute_async_v3(self, stream: int) -> bool:
        inputs = {name: self._read(name, shape) for name, shape in self._shapes.items()}
        names = [output.name for output in self._session.get_outputs()]
        for name, value in zip(names, self._session.run(names, inputs), strict=True):
            scaled = np.ascontiguousarray(value * self._scale, np.float32)
            ctypes.memmove(self._addresses[name], scaled.ctypes.data, scaled.nbytes)
        return True

    def _read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        count = int(np.prod(shape))
        memory = (ctypes.c_float * count).from_address(self._addresses[name])
        return np.array(memory, np.float32).reshape(shape)
