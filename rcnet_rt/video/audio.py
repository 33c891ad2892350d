"""The sound of a video file, taken along to the file that is written."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rcnet_rt.errors import SourceError
from rcnet_rt.video.decoding import frame_rate, time_base
from rcnet_rt.video.videofile import open_container

if TYPE_CHECKING:
    from av.container import OutputContainer

__all__ = ["Sound", "open_sound"]

# What players expect in MP4; Matroska takes anything. The rest is encoded again.
COPIED = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
AAC_RATES = frozenset({96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000})


def open_sound(path: Path) -> Sound | None:
    """Return the first sound track of a video file, or None where there is none.

    Raises:
        SourceError: the file cannot be opened.
    """
    sound = Sound(path)
    if sound.is_there:
        return sound
    sound.close()
    return None


class Sound:
    """Copies packets, or encodes AAC where the codec does not fit the new file.

    Where it is damaged it ends early, and `note` says so: the images matter more.

    Attributes:
        note: what became of it, if it is not just copied.
    """

    def __init__(self, path: Path) -> None:
        self.note: str | None = None
        self._name = path.name
        self._container = open_container(path)
        audio, video = self._container.streams.audio, self._container.streams.video
        self._stream: Any = next((stream for stream in audio if stream.codec_context), None)
        self.is_there = self._stream is not None
        self._video: Any = video[0] if video else None
        self._out: Any = None
        self._copies = True
        self._items: Iterator[tuple[Fraction, Any]] = iter(())
        self._next: tuple[Fraction, Any] | None = None

    def attach(self, output: OutputContainer, suffix: str) -> None:
        """Add a track to a file that is about to be written; where none fits, note it."""
        import av

        codec = self._stream.codec_context.name
        self._copies = suffix == ".mkv" or codec in COPIED
        try:
            if self._copies:
                self._out = output.add_stream_from_template(self._stream)
            else:
                rate = self._stream.rate if self._stream.rate in AAC_RATES else 48_000
                # Old files count their channels without saying where they are.
                layout = "mono" if self._stream.channels == 1 else "stereo"
                self._out = output.add_stream("aac", rate=rate, layout=layout)
                self.note = f"the sound of {self._name} ({codec}) was encoded again as AAC"
        except (av.error.FFmpegError, ValueError):
            self.note = f"the sound of {self._name} ({codec}) fits no {suffix} and was left out"
            return
        self._items = self._packets() if self._copies else self._frames()
        self._next = next(self._items, None)

    def before(self, time: Fraction) -> Iterator[Any]:
        """Yield packets to be written, of all sound that begins before `time` in seconds."""
        while self._next is not None and self._next[0] < time:
            _, item = self._next
            if self._copies:
                item.stream = self._out
                yield item
            else:
                yield from self._out.encode(item)
            self._next = next(self._items, None)

    def rest(self, end: Fraction) -> Iterator[Any]:
        """Yield what is left: up to `end` in seconds, or all of it where the images end there."""
        yield from self.before(Fraction(10**9) if self._is_last(end) else end)
        if self._out is not None and not self._copies:
            yield from self._out.encode(None)

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._container.close()

    def _is_last(self, end: Fraction) -> bool:
        """Return whether the video, as far as its header says, goes on no longer."""
        video = self._video
        if video is None or video.duration is None:
            return self._container.duration is None or end * 10**6 >= self._container.duration
        total = ((video.start_time or 0) + video.duration) * time_base(video)
        return bool(end + 2 / frame_rate(video) > total)

    def _packets(self) -> Iterator[tuple[Fraction, Any]]:
        for packet in self._readable(self._container.demux(self._stream)):
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None:
                yield stamp * packet.time_base, packet

    def _frames(self) -> Iterator[tuple[Fraction, Any]]:
        for frame in self._readable(self._container.decode(self._stream)):
            if frame.pts is not None:
                yield frame.pts * frame.time_base, frame

    def _readable(self, items: Iterator[Any]) -> Iterator[Any]:
        """Yield until the damage, and note it."""
        import av

        try:
            yield from items
        except (av.error.FFmpegError, SourceError):
            self.note = f"the sound of {self._name} is damaged and ends early"
