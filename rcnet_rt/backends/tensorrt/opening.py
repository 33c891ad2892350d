"""Which library runs: the first that is here, builds or finds an engine, and agrees with eager."""

from __future__ import annotations

import hashlib
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from rcnet_rt.backends.protocol import Backend
from rcnet_rt.backends.tensorrt.agreement import largest_difference
from rcnet_rt.backends.tensorrt.gpus import gpu_of, install_command
from rcnet_rt.backends.tensorrt.protocol import Gpu, Library
from rcnet_rt.backends.tensorrt.records import (
    EngineRecord,
    read_record,
    record_path,
    stale,
    weights_hash,
)
from rcnet_rt.errors import BackendError, OutputError
from rcnet_rt.rescoring.weights import Weights

__all__ = ["engine_folder", "libraries", "open_first", "open_tensorrt"]

logger = logging.getLogger(__name__)


def libraries() -> tuple[Library, ...]:
    """Return the libraries, the best first: one engine for the whole step before the network's."""
    from rcnet_rt.backends.tensorrt import native, torch_tensorrt

    return (native.TENSORRT_RTX, native.TENSORRT, *torch_tensorrt.LIBRARIES)


def engine_folder() -> Path:
    """Return where engines are kept; one that was exported elsewhere may be copied there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "rcnet-rt" / "engines"


def open_tensorrt(weights: Weights, device: str = "cuda") -> Backend:
    """Return the backend of the best library that is here.

    Raises:
        BackendError: none is here, works and agrees with eager, or there is no GPU.
    """
    import torch

    from rcnet_rt.backends.torch import TorchBackend

    if not torch.cuda.is_available():
        raise BackendError("backend tensorrt needs a GPU that torch can use")
    eager = TorchBackend(weights, device, graphs=False)
    return open_first(libraries(), weights, gpu_of(device), eager, engine_folder())


def open_first(
    candidates: Sequence[Library], weights: Weights, gpu: Gpu, eager: Backend, folder: Path
) -> Backend:
    """Return the backend of the first library that works; a warning for each that does not.

    Args:
        candidates: in the order in which they are tried; those that are not here are passed over.
        weights: to run.
        gpu: to run on.
        eager: what scores must agree with.
        folder: of the engines.

    Raises:
        BackendError: no library works; it says why.
    """
    failures = []
    for library in candidates:
        if not (library.supports(gpu) and library.version()):
            continue
        try:
            backend = _opened(library, weights, gpu, eager, folder)
        except BackendError as error:
            failures.append(str(error))
            continue
        for failure in failures:
            warnings.warn(f"{failure}; {library.name} runs instead", stacklevel=2)
        return backend
    if failures:
        raise BackendError("; ".join(failures))
    raise BackendError(
        f"backend tensorrt has no library for {gpu.name} (compute capability {gpu.capability}): "
        f"{install_command(gpu)}"
    )


def _opened(library: Library, weights: Weights, gpu: Gpu, eager: Backend, folder: Path) -> Backend:
    """Open one library; whatever it raises is a `BackendError`, and so is a difference."""
    try:
        path = _engine(library, weights, gpu, folder)
        backend = library.load(path, weights, gpu)
        counts = (1, 2, 20, library.max_poses)
        difference = largest_difference(backend, eager, weights, counts)
    except (BackendError, OutputError) as error:
        raise BackendError(f"{library.name} does not work here: {error}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise BackendError(f"{library.name} does not work here ({reason})") from error
    if difference <= library.tolerance:
        return backend
    raise BackendError(
        f"{library.name}: engine {path} differs from eager by {difference:.2g}, more than "
        f"{library.tolerance:g}"
    )


def _engine(library: Library, weights: Weights, gpu: Gpu, folder: Path) -> Path:
    """Return an engine that fits, built if there is none."""
    content, version = weights_hash(weights), library.version()
    for path, record in _records(folder):
        if record.weights != weights.name or record.library != library.name:
            continue
        reason = stale(record, library.name, version, content, gpu)
        if not reason:
            return path
        logger.warning("the engine %s is not used: %s", path, reason)
    key = hashlib.sha256(repr((content, version, gpu.name, gpu.capability)).encode()).hexdigest()
    path = folder / f"{weights.name}-{library.name.partition(' ')[0]}-{key[:16]}.engine"
    logger.warning("building a TensorRT engine for %s, once", weights.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(f"{folder} for engines cannot be made: {error}") from error
    library.build(weights, path, gpu)
    return path


def _records(folder: Path) -> Iterator[tuple[Path, EngineRecord]]:
    """Yield the engines of a folder that have a sound record; a warning for the others."""
    for path in sorted(folder.glob("*.engine")):
        try:
            yield path, read_record(path)
        except BackendError as error:
            if record_path(path).is_file():
                logger.warning("%s", error)
