"""Figures to Markdown, and the memory curve as an image."""

from __future__ import annotations

from typing import Any

from rcnet_rt.report.png import INK, encode, panels

__all__ = ["PARTS", "markdown", "memory_curve"]

INTRODUCTION = """# Soak

What only shows after hours, or when something is stopped at the wrong moment. *Memory* is resident
memory, its slope the median between any two looks after the first fifth of the frames, and the end
is after the outputs were closed; the road is decode, replayed poses,
refine, follow, draw, encode, JSON Lines. *Interrupted* means exit code 130 with every output read
to its end, video and JSON Lines with the same number of frames and no temporary file left; while
Python itself starts, an interrupt ends it by the signal, which shells call 130, too.

An MP4 keeps an entry a frame in memory until its index is written: 7.8 MB per 100,000 frames, seen
with the video sink alone. Matroska (`--out x.mkv`) keeps none: 0.0 to 0.2 MB. Where a camera runs
for ever, that is the one to write.
"""
PARTS = {
    "endless": "A long video",
    "interrupts": "Ctrl-C at random moments",
    "killed": "Training killed at random moments and resumed",
}


def markdown(results: dict[str, Any]) -> str:
    """Return the page."""
    parts = [INTRODUCTION, _made(results), ""]
    for name, title in PARTS.items():
        if name not in results:
            continue
        parts += [f"## {title}", ""]
        if name == "endless":
            parts += ["![Memory by frame](memory.png)", ""]
        figures = {key: value for key, value in results[name].items() if key != "curve"}
        parts += ["| | |", "| --- | --- |"]
        parts += [f"| {key} | {_text(value)} |" for key, value in figures.items()] + [""]
    return "\n".join(parts)


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
