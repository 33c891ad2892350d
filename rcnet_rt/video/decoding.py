"""What files and streams have in common once PyAV has opened them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Image

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["frame_rate", "time_base", "upright", "video_stream"]


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """Return the first stream of moving images; cover images do not count.

    Raises:
        SourceError: there is none, or none that can be decoded.
    """
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise SourceError(f"{name} holds no video stream; give a file with images in it")
    stream = streams[0]
    if stream.codec_context is None:
        raise SourceError(
            f"{name} cannot be decoded: it is cut off, or in a format unknown here; "
            "copy it again or convert it to H.264"
        )
    stream.thread_type = "AUTO"
    return stream


def time_base(stream: VideoStream) -> Fraction:
    """Return the unit of a stream's time stamps in seconds."""
    return stream.time_base or Fraction(1, 90_000)


def frame_rate(stream: VideoStream) -> Fraction:
    """Return frames a second; files without a usable figure count as 30."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= 1000:
            return Fraction(rate)
    return Fraction(30)


def upright(video_frame: VideoFrame) -> Image:
    """Return the image as BGR, turned as the file's metadata says."""
    image: Any = video_frame.to_ndarray(format="bgr24")
    quarter_turns = round(video_frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image
