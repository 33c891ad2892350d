"""Clips of the real videos, cut and encoded anew into a folder."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2

from rcnet_rt.errors import DatasetError
from rcnet_rt.poses.frame import Frame, Image
from rcnet_rt.video.sink import VideoSink
from rcnet_rt.video.videofile import VideoFileSource

__all__ = ["cut_clips"]

SIZE = (640, 360)  # width, height
RATE = 30
SHIFT = 37  # frames by which the next clip of a video begins later


def cut_clips(videos: Path, folder: Path, count: int, frames: int) -> list[Path]:
    """Write clips of so many frames, from the videos in turn; short videos repeat.

    Raises:
        DatasetError: there are no videos.
    """
    sources = sorted(videos.rglob("*.mp4"))
    if not sources:
        raise DatasetError(f"{videos} holds no videos (*.mp4); give --data the folder of the data")
    clips = [folder / f"clip{number:02}.mp4" for number in range(count)]
    for number, clip in enumerate(clips):
        images = _images(sources[number % len(sources)])
        first = number // len(sources) * SHIFT
        with VideoSink(clip, SIZE, Fraction(RATE), Fraction(1, RATE)) as video:
            for index in range(frames):
                image = images[(first + index) % len(images)]
                video.write(image, Fraction(index, RATE))
    return clips


def _images(path: Path) -> list[Image]:
    with VideoFileSource(path) as source:
        frames = (item for item in source if isinstance(item, Frame))
        return [cv2.resize(frame.image_bgr, SIZE) for frame in frames]
