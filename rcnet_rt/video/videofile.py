"""Video files, decoded by PyAV: every frame, with the time stamps of the file."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame, Gap, Kind
from rcnet_rt.video.decoding import (
    Timeline,
    Upright,
    frame_rate,
    sample_aspect_ratio,
    time_base,
    video_stream,
)
from rcnet_rt.video.image_formats import CONVERT, unread_format

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

__all__ = ["VIDEO_SUFFIXES", "VideoFileSource", "open_container"]

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv",
})
# fmt: on


# Formats that FFmpeg may recognise: videos and single images. Not among them: playlists, lists of
# files and session descriptions, which lead to other files, and text, which it would draw.
FORMATS = (
    "3gp,apng,asf,av1,avi,bmp_pipe,dv,flv,gif,h264,hevc,ivf,jpeg_pipe,jpegxl_pipe,m4v,"
    "matroska,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo,mpjpeg,mxf,nut,obu,ogg,png_pipe,rm,swf,tiff_pipe,"
    "vc1,webm,webp_pipe,wtv,yuv4mpegpipe,wav,mp3,aac,flac"
)

MAX_FAILURES = 100  # reads in a row that fail before the rest of a file is given up
BREAKS_OFF = "the file breaks off"  # the damage of its last packet, unless more follows


class VideoFileSource:
    """The frames of one video file, upright, none left out and none made up.

    Where the file is damaged, or recordings were joined and the times begin again, there is a `Gap`
    between the frames. A file that breaks off gives what can be decoded, then raises SourceError.

    Args:
        path: of the file.
        threads: that decode it; 0 leaves the number to FFmpeg.

    Raises:
        SourceError: the file is missing, empty, damaged, or holds no video.
    """

    kind: Kind = "video"
    sample_aspect_ratio: Fraction | None = None

    def __init__(self, path: Path, threads: int = 0) -> None:
        self.name = path.name
        self._path = path
        self._damage: str | None = None  # why the file may break off here
        self._lost = False  # whether frames were lost since the last one
        self._container = open_container(path)
        try:
            self._stream = video_stream(self._container, str(path), threads)
            self._decoder = self._decode()
            first = next(self._decoder, None)
            if not isinstance(first, Frame):
                raise SourceError(
                    f"{path} holds no frame that can be decoded; copy or record it again"
                )
        except BaseException:
            self._container.close()
            raise
        self._first: Frame | None = first
        self.size = first.size
        self.time_base = time_base(self._stream)
        self.frame_rate = frame_rate(self._stream)
        self.frame_count = self._stream.frames or None

    def __iter__(self) -> Iterator[Frame | Gap]:
        if self._first is None:
            raise SourceError(f"{self._path} was read already; open it again")
        first, self._first = self._first, None
        return itertools.chain([first], self._decoder)

    def stop(self) -> None:
        """Nothing to do: a frame is never waited for long."""

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._decoder.close()  # it refers to this source, which keeps the decoder's threads
        self._container.close()

    def __enter__(self) -> VideoFileSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decode(self) -> Generator[Frame | Gap, None, None]:
        unit = time_base(self._stream)
        timeline = Timeline(unit, round(1 / (frame_rate(self._stream) * unit)))
        # AVI holds no time stamps, and those that FFmpeg makes up are out of order.
        untimed = self._container.format.name == "avi"
        index, upright = 0, Upright()
        for image in self._images():
            if index == 0:
                self.sample_aspect_ratio = sample_aspect_ratio(self._stream, image)
            stamp = None if untimed else image.pts
            gap = self._gap(timeline.follows(stamp))
            time = timeline.time(stamp)
            if gap is not None and index > 0:
                yield Gap(float(time), index - 1, gap)
            yield Frame(index, upright(image), time=time)
            index += 1
        if self._damage is None:
            return
        if index == 0:
            raise SourceError(_not_a_video(self._path, self._damage))
        raise SourceError(
            f"{self._path}: {self._damage} after {index} frames; copy or record it again"
        )

    def _gap(self, follows: bool) -> str | None:
        """Return why something is missing before the next frame, or None."""
        lost, self._lost = self._lost, False
        if not follows:
            return f"the times of {self.name} begin again, as where recordings were joined"
        return f"{self.name} is damaged here" if lost else None

    def _images(self) -> Iterator[VideoFrame]:
        """Yield what can be decoded; what cannot be is noted."""
        import av

        packets, failures = self._container.demux(self._stream), 0
        while failures < MAX_FAILURES:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self._note(error)
                packets, failures = self._container.demux(self._stream), failures + 1
                continue
            if packet is None:
                break
            try:
                decoded = packet.decode()
            except av.error.FFmpegError as error:
                self._note(error)
                if packet.is_corrupt:
                    self._damage = BREAKS_OFF
                continue
            if packet.is_corrupt:
                self._damage = BREAKS_OFF
            elif packet.size:
                self._damage = None
            failures = 0
            yield from decoded
        try:
            decoded = self._stream.decode(None)  # what the decoder's threads still hold
        except av.error.FFmpegError:
            decoded = []
        yield from decoded

    def _note(self, error: Exception) -> None:
        if self._damage != BREAKS_OFF:  # a decoder with threads fails after its last packet
            self._damage = getattr(error, "strerror", None) or str(error)
        self._lost = True


def open_container(path: Path) -> InputContainer:
    """Open a media file, and nothing that it may point to.

    Raises:
        SourceError: it is missing, empty or damaged.
    """
    import av

    if not path.exists():
        raise SourceError(f"no such file: {path}; check the path")
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty (0 bytes); copy or record it again")
    try:
        options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
        return av.open(str(path.resolve()), options=options)
    except PermissionError as error:
        raise SourceError(f"{path} may not be read; change its permissions") from error
    except (av.error.FFmpegError, ValueError) as error:
        reason = str(getattr(error, "strerror", error))
        if getattr(error, "errno", None) == errno.EINVAL:  # refused by a whitelist
            reason = "it is a list of other files, or of a kind that is not opened"
        raise SourceError(_not_a_video(path, reason)) from error


def _not_a_video(path: Path, reason: str) -> str:
    with path.open("rb") as file:
        start = file.read(16)
    unread = unread_format(start)
    if unread is not None:
        return f"{path} is an image in a format that is not read ({unread}); {CONVERT}"
    if start[4:8] == b"ftyp":
        return (
            f"{path} cannot be opened: its index (moov) is missing, so the file was cut off; "
            "copy or record it again"
        )
    return f"{path} is not a video that can be decoded ({reason}); give a video or image file"
