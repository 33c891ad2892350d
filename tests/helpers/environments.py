"""Environments that hold a few of the installed packages and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["few_packages", "run_python"]

ROOT = Path(__file__).resolve().parents[2]


def few_packages(folder: Path, packages: Iterable[str]) -> Path:
    """Link packages that are installed here, what they require, and this checkout's own code.

    Args:
        folder: a new folder, to be the only one that Python imports packages from.
        packages: names of distributions.
    """
    folder.mkdir()
    for distribution in _with_requirements(packages):
        for name in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            (folder / name).symlink_to(str(distribution.locate_file(name)))
    for name in ("rcnet_rt", "weights"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def _with_requirements(packages: Iterable[str]) -> list[metadata.Distribution]:
    found: dict[str, metadata.Distribution] = {}
    waiting = list(packages)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        found[name] = metadata.distribution(name)
        for requirement in map(Requirement, found[name].requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return list(found.values())


def run_python(packages: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder; it finds the standard library and these packages alone."""
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    command = [sys.executable, "-S", *arguments]  # -S: without the packages that are installed
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
