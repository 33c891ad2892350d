"""What files and streams have in common once PyAV has opened them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Image
from rcnet_rt.video.images import to_8_bits

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = [
    "Timeline",
    "Upright",
    "as_fraction",
    "frame_rate",
    "sample_aspect_ratio",
    "time_base",
    "video_stream",
]

GREY_16, RGB_16 = "gray16le", "rgb48le"


def video_stream(container: InputContainer, name: str, threads: int = 0) -> VideoStream:
    """Return the first stream of moving images; cover images do not count.

    It is decoded by so many threads; 0 leaves the number to FFmpeg.

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
            f"{name} cannot be decoded: it is cut off, or in an unknown format; "
            "copy it again or convert it to H.264"
        )
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = threads
    return stream


def time_base(stream: VideoStream) -> Fraction:
    """Return the unit of a stream's time stamps in seconds."""
    return as_fraction(stream.time_base) or Fraction(1, 90_000)


def frame_rate(stream: VideoStream) -> Fraction:
    """Return frames a second; 30 where the file has no usable value."""
    for rate in map(as_fraction, (stream.average_rate, stream.guessed_rate)):
        if rate and 0 < rate <= 1000:
            return rate
    return Fraction(30)


def sample_aspect_ratio(stream: VideoStream, first: VideoFrame) -> Fraction | None:
    """Return width over height of a pixel of the upright image; None for square or unknown."""
    given = (stream.sample_aspect_ratio, stream.codec_context.sample_aspect_ratio)
    for ratio in map(as_fraction, given):
        if ratio and ratio > 0 and ratio != 1:
            return 1 / ratio if _display_matrix(first)[1] else ratio
    return None


def as_fraction(value: Any) -> Fraction | None:
    """Return a `Fraction`, or PyAV's own rational numbers from version 19 on, as a `Fraction`.

    None where there is none, or where its denominator is 0.
    """
    if value is None or value.denominator == 0:
        return None
    return Fraction(value.numerator, value.denominator)


class Upright:
    """Turns and mirrors the frames of a stream by its display matrix.

    The eight matrices of the EXIF orientations give what FFmpeg's `autorotate` gives; other angles
    are rounded to a quarter turn. The matrix is read again only where the rotation changes: PyAV's
    `side_data` and its frame refer to each other, and keep the frame until garbage is collected.
    """

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._rotation: float | None = None
        self._matrix = (False, False), False
        self._reformatter = VideoReformatter()

    def __call__(self, video_frame: VideoFrame) -> Image:
        """Return the image, (H, W, 3) uint8, blue first."""
        if video_frame.rotation != self._rotation:
            self._rotation = video_frame.rotation
            self._matrix = _display_matrix(video_frame)
        image = self._pixels(video_frame)
        (mirror_x, mirror_y), swap = self._matrix
        if swap:
            image = image.transpose(1, 0, 2)
        if mirror_x or mirror_y:
            image = image[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1]
        # As decoded, rows may have padding between them, which nobody needs copied away.
        turned = swap or mirror_x or mirror_y
        upright: Image = np.ascontiguousarray(image) if turned else image
        return upright

    def _pixels(self, video_frame: VideoFrame) -> Image:
        """Return the image as it is stored, (H, W, 3) uint8.

        16 bits are reduced to 8 as those of image files are: FFmpeg would take the 8 highest, of
        which a thermal camera of 14 bits leaves most at 0.
        """
        wanted = _format_of_all_bits(video_frame)
        # A frame's own reformatter would live, with its threads, as long as the frame.
        reformatted = self._reformatter.reformat(video_frame, format=wanted or "bgr24")
        pixels: Any = reformatted.to_ndarray()
        if wanted is None:
            image: Image = pixels
            return image
        deep = pixels[..., ::-1] if wanted == RGB_16 else np.repeat(pixels[..., None], 3, axis=2)
        return to_8_bits(deep)


def _format_of_all_bits(video_frame: VideoFrame) -> str | None:
    """Return how grey and RGB of 16 bits are read; None for all others, which fill their range."""
    components = video_frame.format.components
    if any(component.bits != 16 for component in components):
        return None
    if video_frame.format.is_rgb:
        return RGB_16
    return GREY_16 if len(components) == 1 else None


def _display_matrix(video_frame: VideoFrame) -> tuple[tuple[bool, bool], bool]:
    """Return whether x and y are mirrored, after x and y were swapped or not.

    The matrix (a, b, u, c, d, v, x, y, w) takes a pixel (x, y) to (a x + c y, b x + d y).
    """
    data: Any = video_frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return (False, False), False
    a, b, _, c, d, *_ = np.frombuffer(data, np.int32).tolist()
    if abs(b) > abs(a):
        return (c < 0, b < 0), True
    return (a < 0, d < 0), False


class Timeline:
    """Turns the time stamps of decoded frames into times that increase.

    Where time stamps jump back by a frame or more, as where two recordings were joined, the next
    frame follows one step after the last.

    Args:
        unit: of the time stamps, in seconds.
        step: time stamps from one frame to the next.
        offset: added to the time stamps; None is what takes the first one to 0.
    """

    def __init__(self, unit: Fraction, step: int, offset: int | None = 0) -> None:
        self._unit, self._step, self._offset = unit, max(1, step), offset
        self._last: int | None = None

    def follows(self, stamp: int | None) -> bool:
        """Return whether a time stamp does not jump back; None is one step after the last."""
        if stamp is None or self._offset is None or self._last is None:
            return True
        return stamp + self._offset > self._last - self._step

    def time(self, stamp: int | None) -> Fraction:
        """Return the time in seconds of the next frame, which has this time stamp."""
        after = 0 if self._last is None else self._last + self._step
        if stamp is None:
            self._last = after
        else:
            if self._offset is None or not self.follows(stamp):
                self._offset = after - stamp
            stamp += self._offset
            self._last = stamp if self._last is None else max(stamp, self._last + 1)
        return self._last * self._unit
