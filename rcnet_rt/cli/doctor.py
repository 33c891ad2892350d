"""`rcnet-rt doctor`: what is installed, what works, what is missing, and how to add it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import click
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from rcnet_rt.backends import choice
from rcnet_rt.backends.tensorrt.gpus import gpu_of, install_command
from rcnet_rt.backends.tensorrt.protocol import Gpu
from rcnet_rt.cli.compatibility import SUPPORT
from rcnet_rt.cli.options import debug_option
from rcnet_rt.cli.tables import wide_console
from rcnet_rt.errors import RcnetError
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.families import SHIPPED
from rcnet_rt.version import __version__

__all__ = ["doctor"]

# Distribution -> command that adds it, and what it is for where one can do without.
PACKAGES = {
    "torch": ("pip install torch", ""),
    "ultralytics": ("pip install ultralytics", ""),
    "opencv-python": ("pip install opencv-python", ""),
    "av": ("pip install av", ""),
    "supervision": ("pip install supervision", ""),
    "onnxruntime": ("pip install onnxruntime", ""),
    "safetensors": ("pip install safetensors", ""),
    "faster-coco-eval": ("pip install faster-coco-eval", ""),
    "openvino": ("pip install 'rcnet-rt[openvino]'", "OpenVINO models"),
    "matplotlib": ("pip install 'rcnet-rt[report]'", "reports and training curves"),
    "tensorboard": ("pip install 'rcnet-rt[tensorboard]'", "training curves as they grow"),
    "numba": ("pip install 'rcnet-rt[numba]'", "refining on a CPU in half the time"),
    "trackers": ("pip install 'rcnet-rt[track]'", "--track"),
    "pyarrow": ("pip install 'rcnet-rt[parquet]'", "predict on many videos, and convert"),
    "ray": ("pip install 'rcnet-rt[ray]'", "predict --ray"),
    "s3fs": ("pip install 'rcnet-rt[ray]'", "s3:// addresses"),
}
# Packages that hold the same modules.
ALTERNATIVES = {"opencv-python": ("opencv-python-headless",)}


class Finding(NamedTuple):
    """One line: what was looked at, what was found, and the command that adds or mends it."""

    subject: str
    good: bool
    found: str
    remedy: str = ""


@click.command()
@debug_option
def doctor() -> None:
    """Say what is installed, what works, what is missing and the command that adds it."""
    findings = list(_findings())
    console = wide_console()
    title = f"rcnet-rt {__version__}"
    rows = ((finding.good, finding.subject, finding.found) for finding in findings)
    console.print(_table(title, ("what", "found"), rows))
    title = "estimators, formats, integrations"
    support = ((row.installed, row.name, row.use, row.state) for row in SUPPORT)
    console.print(_table(title, ("what", "use", "state"), support))
    console.print(_remedies(findings))


def _table(title: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> Table:
    table = Table(title=title)
    for column in ("", *columns):
        table.add_column(column, overflow="fold")
    for good, *texts in rows:
        table.add_row("[green]yes[/]" if good else "[yellow]no[/]", *map(escape, texts))
    return table


def _remedies(findings: Iterable[Finding]) -> Table:
    """Each command in one piece, to be copied, beside what it adds."""
    added: dict[str, list[str]] = {}
    for finding in findings:
        if finding.remedy:
            added.setdefault(finding.remedy, []).append(finding.subject)
    for row in SUPPORT:
        if not row.installed:
            added.setdefault(f"pip install '{row.install}'", []).append(row.name)
    table = Table("", "", title="to add what is missing", show_header=False, box=None)
    for command, subjects in added.items():
        table.add_row(Text(command, no_wrap=True), escape("; ".join(subjects)))
    return table


def _findings() -> Iterator[Finding]:
    yield Finding("Python", True, f"{platform.python_version()} on {platform.machine()}")
    for package, (command, purpose) in PACKAGES.items():
        yield _package(package, command, purpose)
    for check in (_cuda, _h264, _yolo):
        yield _safely(check)
    yield from _backends()
    if importlib.util.find_spec("torch") is not None:
        yield from _tensorrt(_gpu())
    yield from _weights()


def _package(name: str, command: str, purpose: str) -> Finding:
    for installed in (name, *ALTERNATIVES.get(name, ())):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return Finding(name, True, importlib.metadata.version(installed))
    return Finding(name, False, f"only for {purpose}" if purpose else "missing", command)


def _safely(check: Callable[[], Finding]) -> Finding:
    """A check that fails is a finding too: the doctor always gets to the end."""
    try:
        return check()
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        if isinstance(error, ModuleNotFoundError):
            found = f"needs {error.name}"
        return Finding(check.__name__.strip("_").upper(), False, found)


def _cuda() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("CUDA", True, torch.cuda.get_device_name())
    return Finding("CUDA", False, "no GPU that torch can use; the CPU is enough for refining")


def _h264() -> Finding:
    import av

    av.Codec("libx264", "w")
    return Finding("H.264 encoder", True, f"libx264 in av {av.__version__}")


def _yolo() -> Finding:
    from rcnet_rt.estimators import ALIASES, ultralytics

    name = ALIASES["yolo-pose"]
    place = ultralytics.find(name)
    if place is not None:
        return Finding("YOLO-Pose weights", True, str(place))
    found = f"{name} is not here: the first run downloads it, or give --model a path"
    return Finding("YOLO-Pose weights", False, found)


def _backends() -> Iterator[Finding]:
    """Each backend where it runs best, and which one `auto` is."""
    device = "cuda" if _has_gpu() else "cpu"
    for name in choice.NAMES:
        if name == "auto":
            chosen, reason = choice.auto()
            yield Finding("backend auto", True, f"{chosen}: {reason}")
            continue
        lacking = choice.missing(name, "cpu" if name in choice.ON_CPU else device)
        found, _, remedy = lacking.partition(": ")
        if name == "tensorrt":  # its packages have findings of their own
            remedy = ""
        yield Finding(f"backend {name}", not lacking, found or "usable", remedy)


def _tensorrt(gpu: Gpu | None) -> Iterator[Finding]:
    """Each package of TensorRT: whether it is here, and whether it is for this GPU."""
    from rcnet_rt.backends.tensorrt.opening import libraries

    told = set()
    for library in libraries():
        package = library.name.partition(" ")[0]  # without the precision
        if package in told:
            continue
        told.add(package)
        version = library.version()
        if gpu is not None and not library.supports(gpu):
            found = f"not for {gpu.name} (compute capability {gpu.capability})"
            yield Finding(package, False, found)
        elif version:
            yield Finding(package, True, f"{version}; not run on hardware yet")
        else:
            yield Finding(package, False, "only for TensorRT on an NVIDIA GPU", library.install)
    if gpu is not None:
        found = f"{gpu.name}, compute capability {gpu.capability}"
        yield Finding("TensorRT for this GPU", True, found, install_command(gpu))


def _gpu() -> Gpu | None:
    return gpu_of("cuda") if _has_gpu() else None


def _has_gpu() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def _weights() -> Iterator[Finding]:
    paths = weights_io.available()
    usable = []
    for name in sorted({*SHIPPED, *paths}):
        try:
            weights_io.find(name)
            usable.append(name)
        except RcnetError as error:
            yield Finding(f"weights {name}", False, str(error), weights_io.REINSTALL)
    if usable:
        folder = paths[usable[0]].parent
        yield Finding("shipped weights", True, f"{', '.join(usable)}, in {folder}")
