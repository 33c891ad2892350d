"""What the performance benchmarks share: the machine in words, timing side by side, the output.

A part, such as `benchmarks.speed.training`, has `measure(...) -> Results` and calls `report` when it runs
by itself. Results are what JSON can hold; a list of records is shown as a table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

__all__ = ["Results", "Timing", "machine", "parser", "report", "show", "side_by_side", "write"]

Results = dict[str, Any]

PACKAGES = (
    "rcnet-rt", "numpy", "torch", "torch-tensorrt", "numba", "onnxruntime",
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


def machine() -> Results:
    """Return CPU, GPU, cores, threads, load and versions; nothing that names the host."""
    return {
        "cpu": _cpu(),
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


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser that has the option of every part: `--json FILE`."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    return result


def report(title: str, results: Results, path: Path | None = None) -> None:
    """Show the results of one part; with a path write them, with the machine, as JSON."""
    show(title, results)
    if path is not None:
        write({"machine": machine(), **results}, path)


def show(title: str, results: Results) -> None:
    """Print figures as lines and lists of records as tables."""
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
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", "utf-8")
    os.replace(unfinished, path)


def _timing(seconds: np.ndarray[Any, Any]) -> Timing:
    p50, p99 = np.quantile(seconds, [0.5, 0.99])
    return Timing(float(p50), float(p99), float(seconds.mean()), len(seconds))


def _cpu() -> str:
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
    columns = list(dict.fromkeys(name for record in records for name in record))
    table = Table(*columns, title=title, title_justify="left")
    for record in records:
        table.add_row(*(_text(record.get(name)) for name in columns))
    return table


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
