"""Video files, decoded by PyAV: every frame, with the time stamps of the file."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame, Kind
from rcnet_rt.video.decoding import frame_rate, time_base, upright, video_stream

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


# What FFmpeg may take a file for: films and single images. Not among them: playlists, lists of
# files, session descriptions, which lead elsewhere, and text, which it would draw.
FORMATS = (
    "3gp,apng,asf,av1,avi,bmp_pipe,dv,flv,gif,h264,hevc,ivf,jpeg_pipe,jpegxl_pipe,m4v,"
    "matroska,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo,mpjpeg,mxf,nut,obu,ogg,png_pipe,rm,swf,tiff_pipe,"
    "vc1,webm,webp_pipe,wtv,yuv4mpegpipe,wav,mp3,aac,flac"
)


class VideoFileSource:
    """The frames of one video file, upright, none left out and none invented.

    A file that breaks off gives what can be decoded and then raises SourceError.

    Raises:
        SourceError: the file is missing, empty, damaged, or holds no video.
    """

    kind: Kind = "video"

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        self._damage: str | None = None
        self._container = open_container(path)
        try:
            self._stream = video_stream(self._container, str(path))
            self._decoder = self._decode()
            self._first = next(self._decoder, None)
            if self._first is None:
                raise SourceError(
                    f"{path} holds no frame that can be decoded; copy or record it again"
                )
        except BaseException:
            self._container.close()
            raise
        self.size = self._first.size
        self.time_base = time_base(self._stream)
        self.frame_rate = frame_rate(self._stream)
        self.frame_count = self._stream.frames or None

    def __iter__(self) -> Iterator[Frame]:
        if self._first is None:
            raise SourceError(f"{self._path} was read already; open it again")
        first, self._first = self._first, None
        return itertools.chain([first], self._decoder)

    def stop(self) -> None:
        """Nothing to do: a frame is never waited for long."""

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._decoder.close()  # it holds the source, which would keep the decoder's threads
        self._container.close()

    def __enter__(self) -> VideoFileSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decode(self) -> Generator[Frame, None, None]:
        unit = time_base(self._stream)
        step = max(1, round(1 / (frame_rate(self._stream) * unit)))
        # AVI holds no time stamps, and what FFmpeg makes up for it is out of order.
        untimed = self._container.format.name == "avi"
        last, index = -step, 0
        for image in self._images():
            # A few old formats leave time stamps out; the frame rate fills the gap.
            last = last + step if image.pts is None or untimed else image.pts
            yield Frame(index, upright(image), time=last * unit)
            index += 1
        if self._damage is None:
            return
        if index == 0:
            raise SourceError(_not_a_video(self._path, self._damage))
        raise SourceError(
            f"{self._path}: {self._damage} after {index} frames; copy or record it again"
        )

    def _images(self) -> Iterator[VideoFrame]:
        """Yield what can be decoded; where the file is damaged, stop and note why."""
        import av

        packets = self._container.demux(self._stream)
        while self._damage is None:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                if packet.is_corrupt:
                    self._damage = "the file breaks off"
                decoded = packet.decode()
            except av.error.FFmpegError as error:
                decoded, self._damage = [], error.strerror or str(error)
            yield from decoded
        try:
            decoded = self._stream.decode(None)  # what the decoder's threads still hold
        except av.error.FFmpegError:
            decoded = []
        yield from decoded


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
    except av.error.ArgumentError as error:
        reason = "it is a list of other files, or of a kind that is not opened"
        raise SourceError(_not_a_video(path, reason)) from error
    except (av.error.FFmpegError, ValueError) as error:
        raise SourceError(_not_a_video(path, str(getattr(error, "strerror", error)))) from error


def _not_a_video(path: Path, reason: str) -> str:
    with path.open("rb") as file:
        is_mp4 = file.read(12)[4:8] == b"ftyp"
    if is_mp4:
        return (
            f"{path} cannot be opened: its index (moov) is missing, so the file was cut off; "
            "copy or record it again"
        )
    return f"{path} is not a video that can be decoded ({reason}); give a video or image file"
