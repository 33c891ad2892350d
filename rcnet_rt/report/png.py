"""Render matplotlib figures as PNG without pyplot and its global state."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rcnet_rt.errors import OutputError, missing_package

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DPI", "axes", "encode", "encode_image", "panels", "require_packages"]

DPI = 200  # twice the displayed resolution, for high-density screens and print
INK, GRID = "#22262b", "#d9dce0"


def require_packages() -> None:
    """Check that the packages for reports are installed.

    Raises:
        OutputError: matplotlib or jinja2 is missing.
    """
    for package in ("matplotlib", "jinja2"):
        try:
            __import__(package)
        except ImportError as error:
            raise OutputError(missing_package(package, "Reports", "rcnet-rt[report]")) from error


def axes() -> Axes:
    """Return empty axes for one chart, half the page wide."""
    return panels(1, 4.6, 3.5)[0]


def panels(count: int, width: float, height: float) -> list[Axes]:
    """Return styled empty axes side by side on a new figure of that size in inches."""
    return grid(1, count, width, height)


def grid(rows: int, columns: int, width: float, height: float) -> list[Axes]:
    """Return styled empty axes, row by row, on a new figure of that size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    found = [
        figure.add_subplot(rows, columns, place, facecolor="white")
        for place in range(1, rows * columns + 1)
    ]
    for ax in found:
        ax.grid(color=GRID, linewidth=0.6)
        ax.set_axisbelow(True)
        ax.tick_params(labelsize=9, colors=INK, length=0)
        for side in ("top", "right", "left", "bottom"):
            ax.spines[side].set_visible(side in ("left", "bottom"))
            ax.spines[side].set_color("#8a9099")
    return found


def encode(figure: Figure) -> bytes:
    """Return a figure as PNG, reproducible to the byte."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def encode_image(figure: Figure) -> bytes:
    """Return a figure with a photograph as PNG of 256 colors, a third of the size."""
    from PIL import Image

    image = Image.open(io.BytesIO(encode(figure))).convert("RGB")
    buffer = io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()
