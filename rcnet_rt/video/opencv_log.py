"""Silences OpenCV, which writes to stderr what our errors already report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["silence_opencv"]

SILENT = 0  # LOG_LEVEL_SILENT


@contextmanager
def silence_opencv() -> Iterator[None]:
    """Keep OpenCV silent inside the block."""
    import cv2

    logging: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 4.8 has them in cv2 itself
    level = logging.getLogLevel()
    logging.setLogLevel(SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)
