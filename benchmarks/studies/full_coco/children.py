"""Seconds and peak memory of a process."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Cost", "peak_memory", "run"]

UNIT = 1e9 if sys.platform == "darwin" else 1e6  # ru_maxrss in bytes, or in KiB: to GB


@dataclass(frozen=True)
class Cost:
    """Seconds of wall clock and of all cores, and peak memory in GB."""

    seconds: float
    cpu_seconds: float
    peak_gb: float


def peak_memory() -> float:
    """Return the peak memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT


def run(*command: str | Path) -> Cost:
    """Run `python …` and return its cost; what it prints goes to stderr.

    Raises:
        SystemExit: it failed.
    """
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, *map(str, command)], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed ({process.returncode})")
    wall, cpu = time.monotonic() - start, usage.ru_utime + usage.ru_stime
    return Cost(round(wall, 1), round(cpu, 1), round(usage.ru_maxrss / UNIT, 2))
