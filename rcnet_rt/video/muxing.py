"""Containers that are written: how they are opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import OutputContainer

__all__ = ["open_output"]


def open_output(path: Path) -> OutputContainer:
    """Open a media file to write; its suffix selects the container.

    Raises:
        OSError: it cannot be written.
    """
    import av

    # The index goes first, so that browsers start before they have the whole file.
    options = {} if path.suffix.lower() == ".mkv" else {"movflags": "+faststart"}
    return av.open(str(path.absolute()), "w", options=options)
