"""A drift alarm for the frames of one source, whose reference is given or its first frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from rcnet_rt.errors import DatasetError
from rcnet_rt.monitoring.drift import (
    FRAMES_PER_BLOCK,
    Change,
    DriftDetector,
    Reference,
)
from rcnet_rt.monitoring.frame_statistics import FrameStatistics, block_means
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["MIN_LEARNING_FRAMES", "DriftMonitor", "begun", "ended"]

MIN_LEARNING_FRAMES = 100  # from fewer no change can be told from chance soon enough


class DriftMonitor:
    """Takes frame after frame with its refined poses and says what is changed.

    Args:
        skeleton: of the poses.
        reference: what is usual, such as a camera's profile; None takes the first frames for it.
        learning_frames: how many frames are the reference where none is given.

    Raises:
        DatasetError: the reference is too short.
    """

    def __init__(
        self, skeleton: Skeleton, reference: Reference | None, learning_frames: int
    ) -> None:
        if reference is None and learning_frames < MIN_LEARNING_FRAMES:
            raise DatasetError(
                f"drift alarm: expected a reference of at least {MIN_LEARNING_FRAMES} frames, got "
                f"{learning_frames}; give a larger --drift-reference, better some minutes"
            )
        self._measure = FrameStatistics(skeleton)
        self._detector = None if reference is None else DriftDetector(reference)
        self._learning_frames = learning_frames
        self._learned: list[npt.NDArray[np.float64]] = []

    def __call__(self, image_bgr: Image | None, poses: Poses) -> tuple[Change, ...]:
        """Return what is changed as of this frame; nothing while the reference is learned."""
        values = self._measure(image_bgr, poses)
        if self._detector is not None:
            return self._detector(values)
        self._learned.append(values)
        if len(self._learned) == self._learning_frames:
            self._detector = DriftDetector(Reference(block_means(self._learned, FRAMES_PER_BLOCK)))
            self._learned.clear()
        return ()

    @property
    def is_learning(self) -> bool:
        """Whether there is no reference yet."""
        return self._detector is None

    def gap(self) -> None:
        """Take note that frames are missing here."""
        self._measure.forget()
        if self._detector is not None:
            self._detector.gap()


def begun(before: Sequence[Change], now: Sequence[Change]) -> Iterator[Change]:
    """Yield the changes that were not there at the frame before.

    >>> dark = Change("brightness", "image darker: mean brightness 92 -> 31", 92, 31)
    >>> [change.what for change in begun((), (dark,))], list(ended((), (dark,)))
    (['brightness'], [])
    """
    known = {change.what for change in before}
    return (change for change in now if change.what not in known)


def ended(before: Sequence[Change], now: Sequence[Change]) -> Iterator[Change]:
    """Yield the changes that are over."""
    return begun(now, before)
