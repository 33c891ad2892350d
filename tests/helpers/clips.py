"""A small video, and poses recorded for it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.poses.poses import Poses
from rcnet_rt.video.sink import VideoSink

__all__ = ["write_clip"]


def write_clip(folder: Path, poses: Poses, frames: int) -> None:
    """Write clip.mp4 (10 frames a second, ever brighter), and poses.jsonl, the same in each."""
    with VideoSink(folder / "clip.mp4", (640, 480), Fraction(10), Fraction(1, 10)) as sink:
        for index in range(frames):
            sink.write(np.full((480, 640, 3), 20 * index % 256, np.uint8), Fraction(index, 10))
    header = Header("clip.mp4", "recorded", "none", "coco17", 0.25, "yolo-pose", (640, 480))
    with JsonLinesWriter(folder / "poses.jsonl", header) as writer:
        for index in range(frames):
            writer.write(index, index / 10, poses, poses.scores > 0)
