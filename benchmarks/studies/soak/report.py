"""results.json and FINDINGS.md to RESULTS.md, and the memory curve as an image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.studies.common import read_findings, table
from rcnet_rt.report.png import INK, encode, panels

__all__ = ["PARTS", "blocks", "memory_curve"]

PARTS = {
    "endless": "A long video",
    "interrupts": "Ctrl-C at random moments",
    "killed": "Training killed at random moments and resumed",
}


def blocks(results: dict[str, Any]) -> Iterator[str]:
    """Yield the page's Markdown."""
    yield read_findings(Path(__file__).parent).introduction
    yield _made(results)
    for name, title in PARTS.items():
        if name in results:
            yield f"## {title}"
            yield "![Memory by frame](memory.png)" if name == "endless" else ""
            figures = {key: value for key, value in results[name].items() if key != "curve"}
            yield table(["figure", "value"], ([key, _text(v)] for key, v in figures.items()))


def _made(results: dict[str, Any]) -> str:
    where = results["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in where["packages"].items())
    return (
        f"`python -m benchmarks.studies.soak`, {results['date']}, {where['cores']} cores of "
        f"{where['cpu']}, shared with other work; Python {where['python']}, {packages}."
    )


def memory_curve(curve: list[list[float]], warm: int) -> bytes:
    """Return the image of [frames, MB] pairs, from 0 MB up, so that flat looks flat."""
    (ax,) = panels(1, 7.2, 3.2)
    frames, memory = zip(*curve, strict=True)
    ax.axvspan(0, warm, color="#f0f1f3", linewidth=0)
    ax.plot(frames, memory, color="#0b61a4", linewidth=1.6)
    ax.set_ylim(0, 1.15 * max(memory))
    ax.set_xlim(0, max(frames))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.set_title("resident memory, MB (grey: warm-up)", fontsize=10, color=INK, loc="left")
    ax.set_xlabel("frames", fontsize=9.5, color=INK)
    figure = ax.get_figure(root=True)
    assert figure is not None
    return encode(figure)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}"
