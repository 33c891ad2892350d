"""A number of images from many sources: image files, and frames of videos at even distances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame, Image
from rcnet_rt.video.images import read_image
from rcnet_rt.video.source import Part, is_live, open_source, split

__all__ = ["SampledImages"]


class SampledImages:
    """At most so many images of sources, at even distances over all of them; an iterable.

    Args:
        sources: as for `split`; no camera and no stream.
        max_images: how many are taken.

    Attributes:
        total: number of images and frames in the sources.

    Raises:
        SourceError: a source is missing, damaged or live.
    """

    def __init__(self, sources: Sequence[str], max_images: int) -> None:
        parts = [part for source in sources for part in split(source)]
        if any(map(is_live, parts)):
            raise SourceError(
                "images are sampled from files, and a camera or stream has no end; record it first"
            )
        self._parts = [(part, _count(part)) for part in parts]
        self.total = sum(count for _, count in self._parts)
        number = min(max_images, self.total)
        self._chosen = set(np.linspace(0, self.total - 1, number).round().astype(int).tolist())

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[Image]:
        start = 0
        for part, count in self._parts:
            here = {number - start for number in self._chosen if start <= number < start + count}
            if here:
                yield from _images(part, here)
            start += count


def _count(part: Part) -> int:
    """Return the number of images, or of frames: a video that does not say is decoded once."""
    if isinstance(part, tuple):
        return len(part)
    with open_source(part) as source:
        return source.frame_count or sum(isinstance(frame, Frame) for frame in source)


def _images(part: Part, chosen: set[int]) -> Iterator[Image]:
    if isinstance(part, tuple):
        yield from (read_image(part[number]) for number in sorted(chosen))
        return
    assert isinstance(part, Path)
    last = max(chosen)
    with open_source(part) as source:
        for frame in source:
            if isinstance(frame, Frame) and frame.index in chosen:
                yield frame.image_bgr
            if isinstance(frame, Frame) and frame.index >= last:
                return
