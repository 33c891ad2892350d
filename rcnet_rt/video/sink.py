"""Where drawn frames go: an H.264 video or images, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from rcnet_rt.errors import OutputError
from rcnet_rt.files.writing import (
    AtomicFile,
    atomic_file,
    cannot_be_written,
    check_output_file,
)
from rcnet_rt.poses.frame import Image
from rcnet_rt.video.audio import Sound
from rcnet_rt.video.muxing import open_output

if TYPE_CHECKING:
    from av.container import OutputContainer

__all__ = ["CONTAINERS", "ImageSink", "VideoSink"]

# Two thirds of the time of "veryfast", crf 20, at the same error; files are a tenth larger.
H264 = {"preset": "superfast", "bf": "0", "crf": "23"}
CONTAINERS = frozenset({".mp4", ".m4v", ".mov", ".mkv"})


class VideoSink:
    """Writes H.264 (yuv420p) with the given times; a context manager.

    The file has a temporary name until it is closed; however the block ends, the frames written
    until then become a file that plays. Without a frame there is no file. Sound is added at the
    end, to a second temporary file, so that no fault of it can stop the images.

    Args:
        path: *.mp4, *.m4v, *.mov or *.mkv.
        size: (width, height) of the images; an odd side grows by one pixel, the edge repeated.
        frame_rate: for the header; the frames are shown at their own times.
        time_base: unit of the times.
        sound: of the source, added as far as the images go.
        sample_aspect_ratio: width over height of a pixel; None is square.
        threads: that encode; 0 leaves the number to x264.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        frame_rate: Fraction,
        time_base: Fraction,
        sound: Sound | None = None,
        *,
        sample_aspect_ratio: Fraction | None = None,
        threads: int = 0,
    ) -> None:
        check_output_file(path, CONTAINERS)
        self.path = path
        self._file = AtomicFile(path)
        self._time_base = time_base
        self._size = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        self._last: int | None = None
        self._closed = False
        self._frame_rate = frame_rate
        self._container = self._open(frame_rate, sample_aspect_ratio, threads)
        self._sound = sound

    def write(self, image_bgr: Image, time: Fraction) -> None:
        """Append one (H, W, 3) BGR image, shown from `time` (seconds) on.

        Times that do not increase are moved on by the smallest step.

        Raises:
            OutputError: the disk is full or gone.
        """
        import av
        from av.video.reformatter import Colorspace

        frame = av.VideoFrame.from_numpy_buffer(_fit(image_bgr, self._size), format="bgr24")
        frame = self._reformatter.reformat(
            frame, format="yuv420p", dst_colorspace=Colorspace.ITU709
        )
        pts = round(time / self._time_base)
        self._last = pts if self._last is None else max(pts, self._last + 1)
        frame.pts, frame.time_base = self._last, self._time_base
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Finish the file and give it its name; closing twice does nothing.

        Raises:
            OutputError: the disk is full or gone.
        """
        import av

        if self._closed:
            return
        self._closed = True
        try:
            if self._last is not None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
            if self._last is not None:
                self._add_sound(self._last * self._time_base + 1 / self._frame_rate)
                self._file.commit()
        except (av.error.FFmpegError, OSError) as error:
            with contextlib.suppress(av.error.FFmpegError, OSError):
                self._container.close()  # else it is closed, and fails, when it is collected
            raise self._failed(error) from error
        finally:
            self._file.discard()

    def __enter__(self) -> VideoSink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _add_sound(self, end: Fraction) -> None:
        """Add the sound up to `end` in seconds, or leave the images alone."""
        if self._sound is None:
            return
        joined = AtomicFile(self.path)
        try:
            if self._sound.join(self._file.partial, joined.partial, end):
                os.replace(joined.partial, self._file.partial)
        finally:
            joined.discard()

    def _open(
        self, frame_rate: Fraction, sample_aspect_ratio: Fraction | None, threads: int
    ) -> OutputContainer:
        import av
        from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

        try:
            container = open_output(self._file.partial)
        except (av.error.FFmpegError, OSError) as error:
            self._file.discard()
            raise self._failed(error) from error
        stream = container.add_stream("libx264", rate=frame_rate, options=H264)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = threads
        # A frame's own reformatter would be made, with its threads, for every frame.
        self._reformatter = VideoReformatter()
        stream.time_base = stream.codec_context.time_base = self._time_base
        if sample_aspect_ratio is not None:
            stream.codec_context.sample_aspect_ratio = sample_aspect_ratio
        # Written to the file, because players guess differently.
        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_range = ColorRange.MPEG
        stream.codec_context.color_primaries = stream.codec_context.color_trc = 1  # BT.709
        self._stream = stream
        return container

    def _failed(self, error: BaseException) -> OutputError:
        return cannot_be_written(self.path, error)


class ImageSink:
    """Writes each image to a file of the same type as its source.

    Args:
        folder: where they go; it is created.

    Raises:
        OutputError: the folder or an image cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def write(self, image_bgr: Image, name: str) -> None:
        """Write one (H, W, 3) BGR image under the folder, as `name`."""
        import cv2

        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_be_written(path, error) from error
        with atomic_file(path) as partial, partial.open("wb") as file:
            file.write(cv2.imencode(path.suffix, image_bgr)[1].tobytes())
        self.count += 1


def _fit(image: Image, size: tuple[int, int]) -> Image:
    """Return the image at the video's size: padded by one pixel, or scaled where it changed."""
    import cv2

    width, height = size
    missing_rows, missing_columns = height - image.shape[0], width - image.shape[1]
    if missing_rows in (0, 1) and missing_columns in (0, 1):
        if missing_rows or missing_columns:
            image = np.pad(image, ((0, missing_rows), (0, missing_columns), (0, 0)), mode="edge")
        return np.ascontiguousarray(image)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[no-any-return]
