"""Recorded poses in place of an estimator: for the demo, for tests, for trying thresholds."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from rcnet_rt.datasets import jsonl
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
        """Return the next recorded poses; the image only has to have the recorded size.

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
    """Answers with what another tool wrote: COCO results, AlphaPose JSON, or an OpenPose folder.

    Images are found by their file's name or the number in it, frames of a video by their number,
    from 0; an image that the file does not know has nobody in it.

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
        self._in_order = list(file.images) if file.every_frame else None
        self._by_name: dict[int | str | None, Poses] = {}
        for name, poses in zip(file.names, file.images, strict=True):
            self._by_name |= dict.fromkeys((name, _stem(name), _number(name)), poses)

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses of the next frame.

        Raises:
            EstimatorError: an OpenPose folder has no more frames.
        """
        return self.estimate_frame(Frame(self._count, image_bgr))

    def estimate_frame(self, frame: Frame) -> Poses:
        """Return the poses of this frame.

        Raises:
            EstimatorError: an OpenPose folder has no such frame.
        """
        self._count = frame.index + 1
        if frame.name is not None:
            keys: tuple[int | str | None, ...] = (frame.name, _stem(frame.name))
            poses = self._found(*keys, _number(frame.name))
        elif self._in_order is None:
            poses = self._found(frame.index)
        elif frame.index < len(self._in_order):
            poses = self._in_order[frame.index]
        else:
            raise _too_short(self._path, len(self._in_order))
        return replace(poses, image_size=frame.size)

    def _found(self, *keys: int | str | None) -> Poses:
        known = (self._by_name[key] for key in keys if key is not None and key in self._by_name)
        return next(known, Poses.empty(len(self.skeleton.keypoints)))


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


def _stem(name: int | str) -> str | None:
    return Path(name).stem if isinstance(name, str) else None


def _number(name: int | str) -> int | None:
    """Return the last number in a file's name: 139 for COCO's 000000000139.jpg."""
    if isinstance(name, int):
        return name
    numbers = re.findall(r"\d+", Path(name).stem)
    return int(numbers[-1]) if numbers else None
