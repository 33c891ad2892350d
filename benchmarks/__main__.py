"""Re-measures every figure of the performance page: `python -m benchmarks [PART …] [--json FILE]`.

One part alone: `python -m benchmarks.speed.training`, which also takes that part's own options.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module, util
from typing import Any

from benchmarks.common import Results, machine, parser, show, write
from rcnet_rt.errors import RcnetError

__all__ = ["PARTS", "main"]

PARTS = {
    "refine": "refinement per call and per pose",
    "pipeline": "video end to end",
    "training": "one training epoch",
    "evaluation": "AP of one set of scores",
    "memory": "peak memory of a long video",
}


def main(arguments: Sequence[str] | None = None) -> Results:
    """Measure the parts that are asked for, all by default; return what was shown."""
    there = [name for name in PARTS if util.find_spec(f"benchmarks.{name}")]
    options = parser("Measure the parts, one after another, on this machine.")
    options.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(there)}")
    chosen = options.parse_args(arguments)
    if unknown := set(chosen.parts) - set(there):
        options.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(there)}")
    results: dict[str, Any] = {"machine": machine()}
    show("machine", results["machine"])
    for name in chosen.parts or there:
        try:
            results[name] = import_module(f"benchmarks.{name}").measure()
        except (RcnetError, ImportError) as error:  # data or a package that is not here
            results[name] = {"not measured": str(error)}
        show(PARTS[name], results[name])
    if chosen.json is not None:
        write(results, chosen.json)
    return results


if __name__ == "__main__":
    main()
