"""Write training progress as TensorBoard events, if the package tensorboard is installed."""

from __future__ import annotations

import math
from pathlib import Path
from types import TracebackType
from typing import Any

from rcnet_rt.training.fit import Progress

__all__ = ["EventFiles"]


class EventFiles:
    """Event files in a folder, one run per split; does nothing without the package.

    `tensorboard --logdir FOLDER` shows them during training. A resumed run adds files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}
        self._writer_class = _writer_class()

    def write(self, progress: Progress) -> None:
        """Write the defined figures of one epoch."""
        if self._writer_class is None:
            return
        if progress.split not in self._writers:
            folder = self._folder / progress.split.replace(" ", "-")
            self._writers[progress.split] = self._writer_class(str(folder))
        writer = self._writers[progress.split]
        figures = {
            "loss": progress.loss,
            "held-out/AP": progress.ap,
            "held-out/ranking accuracy": progress.ranking_accuracy,
        }
        for name, value in figures.items():
            if math.isfinite(value):
                writer.add_scalar(name, value, progress.epoch)
        writer.flush()

    def __enter__(self) -> EventFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for writer in self._writers.values():
            writer.close()


def _writer_class() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter
