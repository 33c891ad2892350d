"""Silences OpenCV, which writes to stderr what our errors already report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["silence_opencv"]


@contextmanager
def silence_opencv() -> Iterator[None]:
    """Keep OpenCV silent inside the block."""
    import cv2

    logging = cv2.utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)
