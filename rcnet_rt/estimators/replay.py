"""Recorded poses in place of an estimator: for the demo, for tests, for trying thresholds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from rcnet_rt.datasets import jsonl
from rcnet_rt.datasets.ids import ImageIndex, last_number
from rcnet_rt.datasets.pose_files import is_recording, read_pose_file
from rcnet_rt.errors import EstimatorError
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.frame import Frame, Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.score_convention import ScoreConvention

__all__ = ["FileReplay", "ReplayEstimator", "open_replay", "recorded_family"]


class ReplayEstimator:
    """Answers the n-th image with the poses of the n-th recorded frame, raw scores and all.

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
        """Return the next recorded poses; the image must have the recorded size.

        Raises:
            EstimatorError: there are no more, or they belong to other images.
            DatasetError: the file is damaged here.
        """
        frame = next(self._frames, None)
        if frame is None:
            raise _too_short(self._path, self._count)
        self._count += 1
        size, recorded = (image_bgr.shape[1], image_bgr.shape[0]), frame.poses.image_size
        if recorded not in (None, size):
            raise EstimatorError(
                f"{self._path} was recorded on images of {recorded}, and frame {frame.index} is "
                f"{size}; replay the source that it was recorded from"
            )
        return frame.poses


class FileReplay:
    """Answers with what another tool wrote: see `datasets.pose_files.read_pose_file`.

    Images are found by the name of their file; the number in a name stands for an id only where all
    ids are whole numbers. Frames of a video are found by number, from 0: the id, or the last number
    in a name; without any number, frames are in the order of the names. An image or frame that the
    file does not have has nobody in it.

    Args:
        path: a file, plain or gzipped, or a folder.

    Raises:
        DatasetError: it is damaged, or of an unknown skeleton.
    """

    family = "generic"

    def __init__(self, path: Path) -> None:
        file = read_pose_file(path)
        self.name = path.name
        self.skeleton = file.skeleton
        self.score_convention = ScoreConvention.of(file.images)
        self._path = path
        self._count = 0
        self._images = list(file.images)
        self._index = ImageIndex((name,) for name in file.names)
        self._numbered_images = all(not isinstance(name, str) for name in file.names)
        numbers = [last_number(name) for name in file.names]
        if file.every_frame and all(number is None for number in numbers):
            numbers = list(range(len(numbers)))
        self._numbers = Counter(numbers)
        self._positions = {number: position for position, number in enumerate(numbers)}
        self._every_frame = file.every_frame and numbers == list(range(len(numbers)))

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses of the next frame.

        Raises:
            EstimatorError: see `estimate_frame`.
        """
        return self.estimate_frame(Frame(self._count, image_bgr))

    def estimate_frame(self, frame: Frame) -> Poses:
        """Return the poses of this frame.

        Raises:
            EstimatorError: there are no such frames, or several of one number.
        """
        self._count = frame.index + 1
        position = self._frame(frame.index) if frame.name is None else self._image(frame.name)
        if position is None:
            return Poses.empty(len(self.skeleton.keypoints), frame.size)
        return replace(self._images[position], image_size=frame.size)

    def _image(self, name: str) -> int | None:
        number = last_number(name) if self._numbered_images else None
        return self._index.find(name if number is None else number)

    def _frame(self, index: int) -> int | None:
        number, count = next(iter(self._numbers.most_common(1)), (0, 1))
        if number is None or count > 1:
            raise EstimatorError(
                f"{self._path} has {count} images {'without a' if number is None else 'of one'} "
                "number in their names, so that they cannot be the frames of a video; replay the "
                "images that it was made from"
            )
        if self._every_frame and index not in self._positions:
            raise _too_short(self._path, len(self._images))
        return self._positions.get(index)


def open_replay(path: Path) -> ReplayEstimator | FileReplay:
    """Return an estimator that answers with what a file recorded.

    Raises:
        DatasetError: it is damaged.
    """
    return ReplayEstimator(path) if is_recording(path) else FileReplay(path)


def recorded_family(path: Path) -> str:
    """Return the family of weights that a recording names; other tools' files name none.

    Raises:
        DatasetError: the file is damaged.
    """
    return jsonl.read(path)[0].family if is_recording(path) else FileReplay.family


def _too_short(path: Path, count: int) -> EstimatorError:
    return EstimatorError(
        f"{path} has {count} recorded frames and the source has more; "
        "replay the source that it was recorded from"
    )
