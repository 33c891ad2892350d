"""A small generated clip, and poses recorded for it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.poses.poses import Poses
from rcnet_rt.video.sink import VideoSink

__all__ = ["CLIP", "RECORDING", "write_clip"]

CLIP, RECORDING = "clip.mp4", "poses.jsonl"
RATE = 30


def write_clip(folder: Path, frames: int, size: tuple[int, int] = (96, 64)) -> None:
    """Write `CLIP` and `RECORDING`: people who walk through the image, enter and leave."""
    random = np.random.default_rng(0)
    width, height = size
    shapes = random.random((4, 17, 2)) * (width / 6, height / 2)
    header = Header(CLIP, "recorded", "none", "coco17", 0.25, "yolo-pose", size)
    with (
        VideoSink(folder / CLIP, size, Fraction(RATE), Fraction(1, RATE)) as video,
        JsonLinesWriter(folder / RECORDING, header) as recording,
    ):
        for index in range(frames):
            image = np.full((height, width, 3), (index % 200, 90, 255 - index % 200), np.uint8)
            video.write(image, Fraction(index, RATE))
            here = shapes[random.random(4) < 0.6 + 0.4 * np.sin(index / 400)]
            poses = _poses(np.array((index % width, height / 4)) + here, random)
            recording.write(index, index / RATE, poses, poses.scores >= 0.25)


def _poses(keypoints: np.ndarray, random: np.random.Generator) -> Poses:
    keypoints = (keypoints + random.normal(0, 0.3, keypoints.shape)).round(2)
    return Poses(
        keypoints,
        random.uniform(0.05, 1, len(keypoints)).round(3),
        keypoint_scores=random.random(keypoints.shape[:2]).round(3),
        boxes=np.hstack([keypoints.min(1), keypoints.max(1)]),
    )
