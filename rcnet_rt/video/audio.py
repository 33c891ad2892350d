"""The sound of a video file, added to the file that is written."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rcnet_rt.errors import SourceError
from rcnet_rt.video.decoding import Timeline, frame_rate, time_base
from rcnet_rt.video.muxing import open_output
from rcnet_rt.video.videofile import open_container

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

__all__ = ["Sound", "open_sound"]

# What players expect in MP4; Matroska takes anything. Other codecs are encoded again.
COPIED = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
AAC_RATES = frozenset({96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000})

Timed = tuple[Fraction, Any]  # seconds, and the packet or frame that begins there
Track = Callable[["InputContainer", "OutputContainer", Fraction | None], Iterator[Timed]]


def open_sound(path: Path) -> Sound | None:
    """Return the first sound track of a video file, or None where there is none.

    Raises:
        SourceError: the file cannot be opened.
    """
    with open_container(path) as container:
        stream = _sound_stream(container)
        return None if stream is None else Sound(path, stream.codec_context.codec.canonical_name)


class Sound:
    """A sound track: copied, or encoded as AAC where its codec does not fit the new file.

    Faults of the sound never affect the images.

    Attributes:
        note: what became of the sound, if it was not just copied.
    """

    def __init__(self, path: Path, codec: str) -> None:
        self.note: str | None = None
        self._path, self._codec = path, codec
        self._name = f"the sound of {path.name}"

    def join(self, video: Path, out: Path, end: Fraction) -> bool:
        """Write the images of a file and this sound to a new file; return whether that worked.

        Args:
            video: as `VideoSink` wrote it.
            out: the new file; its suffix selects the container.
            end: seconds at which the images end, and the sound with them.
        """
        import av

        may_copy = out.suffix.lower() == ".mkv" or self._codec in COPIED
        reason = ""
        for track in (self._copied, self._encoded) if may_copy else (self._encoded,):
            self.note = None
            try:
                self._write(track, video, out, end)
            except (av.error.FFmpegError, OSError, ValueError, SourceError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                continue
            if track == self._encoded and self.note is None:
                self.note = f"{self._name} ({self._codec}) was encoded again as AAC"
            return True
        self.note = f"{self._name} ({self._codec}) was left out: {reason}"
        return False

    def _write(self, track: Track, video: Path, out: Path, end: Fraction) -> None:
        with (
            open_container(video) as images,
            open_container(self._path) as sounds,
            open_output(out) as output,
        ):
            stop = None if _ends_there(sounds, end) else end
            tracks = _image_packets(images, output), track(sounds, output, stop)
            # Takes one packet of each before the first is written: by then both tracks are there.
            for _, packet in heapq.merge(*tracks, key=lambda timed: timed[0]):
                output.mux(packet)

    def _copied(
        self, source: InputContainer, output: OutputContainer, stop: Fraction | None
    ) -> Iterator[Timed]:
        stream = _sound_stream(source)
        out = output.add_stream_from_template(stream)
        unit = Fraction(1, stream.rate or 90_000)  # AVI has units that MP4 refuses
        for time, packet in self._timed(source.demux(stream), stream, stop):
            packet.duration = round(packet.duration * packet.time_base / unit)
            packet.pts = packet.dts = round(time / unit)
            packet.time_base = unit
            packet.stream = out
            yield time, packet

    def _encoded(
        self, source: InputContainer, output: OutputContainer, stop: Fraction | None
    ) -> Iterator[Timed]:
        stream = _sound_stream(source)
        rate = stream.rate if stream.rate in AAC_RATES else 48_000
        # Old files count their channels without saying where they are.
        layout = "mono" if stream.channels == 1 else "stereo"
        out: Any = output.add_stream("aac", rate=rate, layout=layout)
        for time, frame in self._timed(source.decode(stream), stream, stop):
            frame.pts = round(time / frame.time_base)
            yield from ((time, packet) for packet in out.encode(frame))
        yield from ((packet.pts * packet.time_base, packet) for packet in out.encode(None))

    def _timed(self, items: Iterator[Any], stream: Any, stop: Fraction | None) -> Iterator[Timed]:
        """Yield packets or frames with their times, up to `stop` or to where they are damaged."""
        import av

        timeline: Timeline | None = None
        try:
            for item in items:
                stamp = item.dts if item.pts is None else item.pts
                if timeline is None:
                    unit = time_base(stream)
                    timeline = Timeline(unit, _duration(item, unit))
                if stamp is None and not item.duration:
                    continue  # the empty packet at the end
                time = timeline.time(stamp)
                if stop is not None and time >= stop:
                    return
                yield time, item
        except (av.error.FFmpegError, SourceError):
            self.note = f"{self._name} is damaged and ends early"


def _sound_stream(container: InputContainer) -> Any:
    """Return the first sound track that can be read, or None."""
    return next((stream for stream in container.streams.audio if stream.codec_context), None)


def _image_packets(source: InputContainer, output: OutputContainer) -> Iterator[Timed]:
    (stream,) = source.streams.video
    out = output.add_stream_from_template(stream)
    for packet in source.demux(stream):
        if packet.dts is not None:
            packet.stream = out
            yield packet.dts * packet.time_base, packet


def _duration(item: Any, unit: Fraction) -> int:
    """Return how long a packet or a frame lasts, in units of its stream."""
    samples = getattr(item, "samples", 0)
    return round(samples / item.sample_rate / unit) if samples else int(item.duration or 1)


def _ends_there(source: InputContainer, end: Fraction) -> bool:
    """Return whether the images of a file end at this second, according to its header."""
    video = next(iter(source.streams.video), None)
    if video is None or video.duration is None:
        return source.duration is None or end * 10**6 >= source.duration
    total = ((video.start_time or 0) + video.duration) * time_base(video)
    return bool(end + 2 / frame_rate(video) > total)
