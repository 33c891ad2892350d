"""The statistics of clips, plain and shifted; their poses are estimated once and kept in files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from benchmarks.common import MODEL
from benchmarks.studies.drift.shifts import NONE, OTHER_MODEL, SHIFTS
from rcnet_rt import estimators
from rcnet_rt.datasets import jsonl
from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.monitoring.frame_statistics import STATISTICS, FrameStatistics
from rcnet_rt.poses.frame import Frame, Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.refiner import Refiner
from rcnet_rt.video.source import open_source

__all__ = ["CAMERAS", "SHIFTED", "SPORTS", "Recordings"]

Floats = npt.NDArray[np.float64]

SPORTS = "sports.mp4"
CAMERAS = tuple(
    (f"pose2sim/single/cam0{n}.mp4", f"pose2sim/multi/cam0{n}.mp4") for n in (1, 2, 3, 4)
)  # two takes each
SHIFTED = (SPORTS, *(single for single, _ in CAMERAS))
LAST = 100  # frames that are shifted
OTHER = Path("zoo/yolov8n-pose_320_int8.tflite")  # in the data folder


@dataclass(frozen=True)
class Recordings:
    """Statistics of clips, from the cache where they are there.

    Attributes:
        data: the folder of data.
        cache: poses as JSON Lines and statistics, one file a clip and shift.
        weights: that refine.
    """

    data: Path
    cache: Path
    weights: str = "yolo-pose"

    def statistics(self, clip: str, shift: str) -> Floats:
        """Return the (T, S) statistics of a clip, or of its last frames after a shift."""
        poses = self.poses_file(clip, shift)
        file = self.cache / poses.name.replace(".jsonl.gz", ".npy")
        if not poses.exists():
            click.echo(f"estimating {clip}, {shift}")
            self._estimate(clip, shift, poses)
        if not file.exists():
            np.save(file, self._measure(clip, shift, poses))
        values: Floats = np.load(file)
        assert values.shape[1] == len(STATISTICS), f"remove {file}: it has other statistics"
        return values

    def poses_file(self, clip: str, shift: str) -> Path:
        """Return where the poses of a clip after a shift are kept."""
        name = f"{clip} {shift}".replace("/", "_").replace(" ", "_")
        return self.cache / f"{name}.jsonl.gz"

    @cached_property
    def _refiner(self) -> Refiner:
        return Refiner(self.weights)

    def _estimate(self, clip: str, shift: str, path: Path) -> None:
        model = self.data / (OTHER if shift == OTHER_MODEL else MODEL)
        floor = self._refiner.weights.floor or 0.05
        estimator = estimators.load(str(model), floor=floor, threads=1)
        header = Header(clip, estimator.name, self.weights, "coco17", 0.0)
        self.cache.mkdir(parents=True, exist_ok=True)
        with JsonLinesWriter(path, header) as writer:
            for index, image in enumerate(self._images(clip, shift)):
                poses = estimator.estimate(image)
                writer.write(index, None, poses, np.ones(len(poses), np.bool_))

    def _measure(self, clip: str, shift: str, path: Path) -> Floats:
        measure = FrameStatistics(COCO17)
        recorded: Iterator[Poses] = (frame.poses for frame in jsonl.read(path)[1])
        pairs = zip(self._images(clip, shift), recorded, strict=True)
        return np.stack([measure(image, self._refiner(poses)) for image, poses in pairs])

    def _images(self, clip: str, shift: str) -> Iterator[Image]:
        change = SHIFTS[NONE if shift == OTHER_MODEL else shift]
        first = 0 if shift == NONE else len(self.statistics(clip, NONE)) - LAST
        with open_source(self.data / "videos" / clip) as source:
            for frame in source:
                assert isinstance(frame, Frame)
                if frame.index >= first:
                    yield change(frame.image_bgr)
