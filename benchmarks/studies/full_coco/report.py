"""results.json and FINDINGS.md to RESULTS.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.studies.common import read_findings, table

__all__ = ["blocks"]


def blocks(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page's Markdown."""
    machine, sizes = results["machine"], results["sizes"]
    yield read_findings(Path(__file__).parent).introduction
    yield (
        f"`{results['command']}`, {results['date']}: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB of memory, {machine['torch_threads']} threads of torch, "
        f"{machine['load']} processes running on average at the start: where that is more than the "
        "cores, read the CPU seconds."
    )
    yield ", ".join(f"{value:,} {name}" for name, value in sizes.items()) + "."
    yield "## Commands as a user gives them"
    yield _table("command", results["commands"])
    yield "## Phases of the training"
    yield "One process runs them in this order; memory is the peak up to the end of the phase."
    yield _table("phase", results["phases"])


def _table(name: str, records: Iterable[Mapping[str, Any]]) -> str:
    return table(
        [name, "seconds", "CPU seconds", "peak memory, GB"],
        (
            [r[name], f"{r['seconds']:,.1f}", f"{r['cpu_seconds']:,.1f}", f"{r['peak_gb']:.2f}"]
            for r in records
        ),
    )
