"""Recorded poses in place of an estimator: for the demo, for tests, for trying thresholds."""

from __future__ import annotations

from pathlib import Path

from rcnet_rt import skeletons
from rcnet_rt.datasets import jsonl
from rcnet_rt.errors import EstimatorError
from rcnet_rt.poses import Poses
from rcnet_rt.video.frame import Image

__all__ = ["ReplayEstimator", "recorded_family"]


class ReplayEstimator:
    """Answers the n-th picture with the poses of the n-th recorded frame, raw scores and all.

    Args:
        path: JSON Lines that `rcnet-rt run --json` wrote, plain or .gz.

    Raises:
        DatasetError: the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        header, self._frames = jsonl.read(path)
        self.name = header.estimator
        self.family = header.family
        self.skeleton = skeletons.get(header.skeleton)
        self._path = path
        self._count = 0

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the next recorded poses; the picture only has to have the recorded size.

        Raises:
            EstimatorError: there are no more, or they belong to other pictures.
            DatasetError: the file is damaged here.
        """
        frame = next(self._frames, None)
        if frame is None:
            raise EstimatorError(
                f"{self._path} has {self._count} recorded frames and the source has more; "
                "replay the source that it was recorded from"
            )
        self._count += 1
        size, recorded = (image_bgr.shape[1], image_bgr.shape[0]), frame.poses.image_size
        if recorded not in (None, size):
            raise EstimatorError(
                f"{self._path} was recorded on pictures of {recorded}, and frame {frame.index} is "
                f"{size}; replay the source that it was recorded from"
            )
        return frame.poses


def recorded_family(path: Path) -> str:
    """Return the family of weights that a recording names.

    Raises:
        DatasetError: the file is damaged.
    """
    return jsonl.read(path)[0].family
