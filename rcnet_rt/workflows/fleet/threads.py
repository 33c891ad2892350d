"""Few threads for each worker, so that workers side by side do not take each other's cores."""

from __future__ import annotations

import os
import sys

import cv2

__all__ = ["limit_threads"]

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def limit_threads(count: int) -> None:
    """Limit the threads of the libraries in this process, which is a worker's own.

    Runtimes of exported models are told when a model is loaded.
    """
    for name in VARIABLES:
        os.environ[name] = str(count)  # read by libraries that are imported later
    cv2.setNumThreads(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
