"""Write a report folder atomically."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from rcnet_rt.errors import OutputError
from rcnet_rt.files.writing import atomic_folder, cannot_be_written

__all__ = ["GENERATOR", "PAGE", "check_folder", "write_folder"]

PAGE = "index.html"
GENERATOR = '<meta name="generator" content="rcnet-rt">'


def check_folder(folder: Path) -> None:
    """Check that a report may be written there: a new or empty folder, or an earlier report.

    Raises:
        OutputError: it is a file, holds other files, or cannot be created.
    """
    if folder.is_dir():
        if not _is_free(folder):
            raise OutputError(
                f"{folder} holds other files than an earlier report; choose a new or empty folder"
            )
    elif folder.exists():
        raise OutputError(f"{folder} is a file; choose a folder")
    parent = next(path for path in folder.absolute().parents if path.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise OutputError(
            f"{folder} cannot be created: {parent} is not writable; choose another folder"
        )


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a temporary folder, and rename it over an earlier report.

    Args:
        folder: of the report.
        files: content by file name.

    Raises:
        OutputError: the folder may not be replaced, or writing fails.
    """
    check_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_be_written(folder, error) from error
    with atomic_folder(folder) as new:
        for name, content in files.items():
            (new / name).write_bytes(content)


def _is_free(folder: Path) -> bool:
    """Return whether a folder is empty or holds only a report."""
    files = list(folder.iterdir())
    if not files:
        return True
    page = folder / PAGE
    if not page.is_file() or any(f.is_dir() or f.suffix not in (".html", ".png") for f in files):
        return False
    return GENERATOR in page.read_text(encoding="utf-8", errors="replace")[:1000]
