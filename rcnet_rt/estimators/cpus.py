"""How many CPUs this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["available_cpus"]

CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def available_cpus() -> int:
    """Return how many CPUs this process may use, at least 1.

    Those of its affinity, but no more than the quota of its control group (Linux, version 2, and
    version 1 inside a container), as `docker run --cpus` sets it.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    cpus = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, math.ceil(min([cpus, *_quotas()])))


def _quotas() -> Iterator[float]:
    """Yield the quotas, in CPUs, of this process's control group and those above it."""
    for folder in _folders():
        limit = _numbers(folder / "cpu.max")
        if len(limit) == 2:  # microseconds, of a period in microseconds; without a limit, "max"
            yield limit[0] / limit[1]
    first = CONTROL_GROUPS / "cpu"
    quota, period = (_numbers(first / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if quota and period and quota[0] > 0:  # -1 is no limit
        yield quota[0] / period[0]


def _folders() -> list[Path]:
    try:
        lines = OWN_GROUPS.read_text().splitlines()
    except OSError:
        return []
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    folder = CONTROL_GROUPS / own.lstrip("/")
    return [place for place in (folder, *folder.parents) if place.is_relative_to(CONTROL_GROUPS)]


def _numbers(file: Path) -> list[int]:
    """Return the numbers in a file, none where it is not there."""
    try:
        return [int(word) for word in file.read_text().split() if word.lstrip("-").isdigit()]
    except OSError:
        return []
