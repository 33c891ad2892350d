"""What all benchmarks share: the data, options, the machine in words, timing, and the output.

A part, such as `benchmarks.speed.training`, has `measure(...) -> Results`, and a click command
`main` that measures and calls `report`. Results are what JSON can hold; a list of records is shown
as a table.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import numpy as np
import torch

from rcnet_rt.datasets.files import write_bytes
from rcnet_rt.errors import DatasetError

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "MODEL",
    "Results",
    "Timing",
    "cpu_name",
    "data_folder",
    "data_option",
    "json_option",
    "machine",
    "report",
    "show",
    "side_by_side",
    "write",
]

Results = dict[str, Any]
Command = TypeVar("Command", bound=Callable[..., Any])

CHECKOUT = Path(__file__).resolve().parents[1]
MODEL = Path("models/yolov8n-pose_int8_openvino_model")  # in the data folder

PACKAGES = (
    "rcnet-rt", "numpy", "torch", "triton", "torch-tensorrt", "numba", "onnxruntime",
    "openvino", "ultralytics", "opencv-python", "av", "pycocotools", "faster-coco-eval",
)  # fmt: skip


@dataclass(frozen=True)
class Timing:
    """Seconds per call.

    Attributes:
        p50: median.
        p99: 99th percentile.
        mean: of all calls.
        calls: how many were timed.
    """

    p50: float
    p99: float
    mean: float
    calls: int


def data_folder() -> Path:
    """Return the folder of data: what RCNET_RT_DATA names, else ../shared/data beside the checkout.

    Raises:
        DatasetError: there is no such folder.
    """
    folder = Path(os.environ.get("RCNET_RT_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        raise DatasetError(
            f"no data in {folder}; set RCNET_RT_DATA to the folder that has coco/, predictions/, "
            "models/ and videos/"
        )
    return folder


def data_option(function: Command) -> Command:
    """Add `--data FOLDER`, by default `data_folder()`."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        callback=_given_or_found,
        help="Folder of coco/, predictions/, models/ and videos/.  "
        "[default: RCNET_RT_DATA, or ../shared/data beside the checkout]",
    )(function)


def json_option(function: Command) -> Command:
    """Add `--json FILE`, passed as `json_file`."""
    return click.option(
        "--json",
        "json_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write the figures to this file too.",
    )(function)


def _given_or_found(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path:
    try:
        return value or data_folder()
    except DatasetError as error:
        raise click.UsageError(str(error), context) from error


def machine() -> Results:
    """Return CPU, GPU, cores, threads, load and versions; nothing that names the host."""
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "torch_threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def side_by_side(
    candidates: Mapping[str, Callable[[], object]], calls: int = 200, warm_up: int = 10
) -> dict[str, Timing]:
    """Time candidates in turn, call by call, so that a busy moment hits all of them.

    On a GPU a candidate must wait for its own result.

    >>> side_by_side({"nothing": lambda: None}, calls=3)["nothing"].calls
    3
    """
    for function in candidates.values():
        for _ in range(warm_up):
            function()
    seconds = {name: np.zeros(calls) for name in candidates}
    for call in range(calls):
        for name, function in candidates.items():
            start = time.perf_counter()
            function()
            seconds[name][call] = time.perf_counter() - start
    return {name: _timing(values) for name, values in seconds.items()}


def report(title: str, results: Results, path: Path | None = None) -> None:
    """Show the results of one part; with a path write them, with the machine, as JSON."""
    show(title, results)
    if path is not None:
        write({"machine": machine(), **results}, path)


def show(title: str, results: Results) -> None:
    """Print figures as lines and lists of records as tables."""
    from rich.console import Console

    console = Console()
    console.rule(title)
    for name, value in results.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            console.print(_table(name, value))
        elif isinstance(value, Mapping):
            console.print(_table(name, [{"": key, "value": item} for key, item in value.items()]))
        else:
            console.print(f"{name}: {_text(value)}", highlight=False, markup=False)


def write(results: Results, path: Path) -> None:
    """Write results as JSON, whole or not at all."""
    write_bytes(path, (json.dumps(results, indent=1, ensure_ascii=False) + "\n").encode())


def _timing(seconds: np.ndarray[Any, Any]) -> Timing:
    p50, p99 = np.quantile(seconds, [0.5, 0.99])
    return Timing(float(p50), float(p99), float(seconds.mean()), len(seconds))


def cpu_name() -> str:
    """Return the processor's name, or its architecture where the system does not tell."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _table(title: str, records: list[Mapping[str, Any]]) -> Table:
    from rich.table import Table

    columns = list(dict.fromkeys(name for record in records for name in record))
    table = Table(*columns, title=title, title_justify="left")
    for record in records:
        table.add_row(*(_text(record.get(name)) for name in columns))
    return table


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
