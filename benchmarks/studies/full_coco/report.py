"""results.json to RESULTS.md."""

from __future__ import annotations

from typing import Any

__all__ = ["page"]

INTRODUCTION = """# Training at the scale of COCO

Whether a laptop is enough: seconds and memory of training on all of train2017's people. **The
results that are trained on are simulated**: annotated people with invented errors put in, by
`benchmarks/studies/full_coco/simulator.py`. The figures are of capacity alone. No accuracy is claimed,
none is shown, and none would mean anything.
"""


def page(results: dict[str, Any]) -> str:
    """Return the page of what was measured."""
    machine, sizes = results["machine"], results["sizes"]
    return "\n".join(
        [
            INTRODUCTION,
            f"`{results['command']}`, {results['date']}: {machine['cpu']}, {machine['cores']} "
            f"cores, {machine['memory_gb']} GB of memory, {machine['torch_threads']} threads of "
            f"torch, {machine['load']} processes running on average when it began: where that is "
            "more than the cores, read the CPU seconds.",
            "",
            ", ".join(f"{value:,} {name}" for name, value in sizes.items()) + ".",
            "",
            "## Commands as a user gives them",
            "",
            *_table("command", results["commands"]),
            "",
            "## Phases of the training",
            "",
            "One process goes through them in this order; memory is the most up to the end of the "
            "phase, of the whole process.",
            "",
            *_table("phase", results["phases"]),
            "",
        ]
    )


def _table(name: str, records: list[dict[str, Any]]) -> list[str]:
    return [
        f"| {name} | seconds | CPU seconds | peak memory, GB |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {r[name]} | {r['seconds']:,.1f} | {r['cpu_seconds']:,.1f} | {r['peak_gb']:.2f} |"
            for r in records
        ),
    ]
