"""The record beside an engine: what it was built from, with and for, so that none runs stale.

An engine FILE has its record in FILE.json. An engine without one is not run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from rcnet_rt.backends.tensorrt.protocol import Gpu
from rcnet_rt.errors import BackendError, OutputError
from rcnet_rt.files.writing import atomic_file, is_special
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.version import __version__

__all__ = [
    "EngineRecord",
    "Shape",
    "read_record",
    "record_path",
    "stale",
    "weights_hash",
    "write_engine",
]

Shape = tuple[int, ...]  # -1 is the number of poses


@dataclass(frozen=True)
class EngineRecord:
    """What an engine is.

    Attributes:
        library: that built it, and `library_version`: engines run with that version only.
        weights: their name, and `weights_hash`: of all that the engine computes.
        capabilities: compute capabilities that it runs on.
        gpu: name of the only GPU that it runs on; empty for all of those capabilities.
        poses: minimum, usual and maximum number.
        inputs: name -> shape, and `outputs`.
        engine_hash: SHA-256 of the file.
        rcnet_rt: version of this package.
    """

    library: str
    library_version: str
    weights: str
    weights_hash: str
    capabilities: tuple[str, ...]
    gpu: str
    poses: tuple[int, int, int]
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    engine_hash: str = ""
    rcnet_rt: str = __version__


def record_path(engine: Path) -> Path:
    """Return where the record of an engine is.

    >>> record_path(Path("a/yolo-pose.engine")).name
    'yolo-pose.engine.json'
    """
    return engine.with_name(f"{engine.name}.json")


def weights_hash(weights: Weights) -> str:
    """Return the SHA-256 of the exported graph: of weights, features, calibration and floor.

    Raises:
        WeightsError: the weights are a baseline.
    """
    from rcnet_rt.backends.onnx_graph import exported_graph

    graph = exported_graph(weights, {}).graph
    return hashlib.sha256(graph.SerializeToString(deterministic=True)).hexdigest()


def write_engine(path: Path, write: Callable[[Path], object], record: EngineRecord) -> EngineRecord:
    """Write an engine by `write`, and its record; both whole or neither.

    Raises:
        OutputError: they cannot be written.
    """
    if is_special(path):
        raise OutputError(f"{path} is not a regular file; give the name of a file")
    with atomic_file(path) as engine, atomic_file(record_path(path)) as beside:
        write(engine)
        record = replace(record, engine_hash=_file_hash(engine))
        beside.write_text(json.dumps(asdict(record), indent=2) + "\n", "utf-8")
    return record


def read_record(engine: Path) -> EngineRecord:
    """Return the record of an engine.

    Raises:
        BackendError: it is missing or damaged, or the engine is not the one that it is about.
    """
    path = record_path(engine)
    try:
        found = json.loads(path.read_text("utf-8"))
        record = _parsed({field.name: found[field.name] for field in fields(EngineRecord)})
        if _file_hash(engine) == record.engine_hash:
            return record
        reason = "it is of another file"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise BackendError(
        f"engine {engine} cannot be used: its record {path.name} is missing or damaged ({reason}); "
        "export it again"
    )


def stale(record: EngineRecord, library: str, version: str, content: str, gpu: Gpu) -> str:
    """Return in a few words why an engine does not fit, empty if it does.

    Args:
        record: of the engine.
        library: that is to run it.
        version: of that library.
        content: hash of the weights.
        gpu: that it is to run on.
    """
    if record.library != library:
        return f"it was built by {record.library}, not {library}"
    if record.library_version != version:
        return f"it was built by {library} {record.library_version}, and {version} is installed"
    if record.weights_hash != content:
        return "it was built from other weights, or by another version of rcnet-rt"
    if gpu.capability not in record.capabilities:
        known = ", ".join(record.capabilities)
        return f"it was built for compute capability {known}, and {gpu.name} has {gpu.capability}"
    if record.gpu not in ("", gpu.name):
        return f"it was built for {record.gpu}, and this is {gpu.name}"
    return ""


def _parsed(found: dict[str, Any]) -> EngineRecord:
    shapes = {
        key: {str(name): tuple(map(int, shape)) for name, shape in found[key].items()}
        for key in ("inputs", "outputs")
    }
    low, usual, high = map(int, found["poses"])
    capabilities = tuple(map(str, found["capabilities"]))
    return EngineRecord(
        **{**found, **shapes, "poses": (low, usual, high), "capabilities": capabilities}
    )


def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
