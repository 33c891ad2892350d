"""A folder of files that appears whole or not at all."""

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
    """Check that a report may be written there: nothing is in it but an earlier report.

    Raises:
        OutputError: it is a file, holds something else, or cannot be made.
    """
    if folder.is_dir():
        if not _is_free(folder):
            raise OutputError(
                f"{folder} holds other files than an earlier report; give a new or empty folder"
            )
    elif folder.exists():
        raise OutputError(f"{folder} is a file; give the name of a folder")
    parent = next(path for path in folder.absolute().parents if path.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise OutputError(f"{folder} cannot be made in {parent}; choose another place")


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder beside, and put it in the place of an earlier report.

    Raises:
        OutputError: the disk is full, or the place is not free any more.
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
    """Whether a folder is empty, or holds a report and nothing else."""
    files = list(folder.iterdir())
    if not files:
        return True
    page = folder / PAGE
    if not page.is_file() or any(f.is_dir() or f.suffix not in (".html", ".png") for f in files):
        return False
    return GENERATOR in page.read_text(encoding="utf-8", errors="replace")[:1000]
