"""Parts of a long video, each decoded on its own to the very frames of a decoding from the start.

A part begins at a keyframe. Decoding begins one keyframe earlier, for recordings in which a picture
after a keyframe still refers to one before it. Frame numbers come from the packets, which are read
but not decoded; where packets and frames may differ, the video stays whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame
from rcnet_rt.video.decoding import Upright, time_base, video_stream
from rcnet_rt.video.videofile import FORMATS, open_container

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["WHOLE", "Span", "decode_span", "find_spans", "open_media"]

# Codecs of which a packet is a frame; of others, such as VP8, some packets show nothing.
ONE_FRAME_A_PACKET = ("h264", "hevc", "av1", "vp9")


@dataclass(frozen=True)
class Span:
    """Frames of a video that follow each other.

    Attributes:
        first_frame: number of the first one.
        frames: how many; None is all.
        begin: time stamp of the first frame, in the stream's unit; None is the beginning.
        end: time stamp of the first frame after; None is the end of the video.
        seek: time stamp of the keyframe to decode from; None is the beginning.
    """

    first_frame: int = 0
    frames: int | None = None
    begin: int | None = None
    end: int | None = None
    seek: int | None = None


WHOLE = Span()


def open_media(media: Path | BinaryIO, name: str) -> InputContainer:
    """Open a media file, or an open remote one, and nothing that it may point to.

    Raises:
        SourceError: it is missing or damaged.
    """
    import av

    if isinstance(media, Path):
        return open_container(media)
    try:
        return av.open(media, mode="r", options={"format_whitelist": FORMATS})
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(
            f"{name} is not a video that can be decoded ({reason}); give a video or image file"
        ) from error


def find_spans(container: InputContainer, name: str, seconds: float) -> list[Span]:
    """Return the parts of a video that are about so long; `[WHOLE]` where it is not divided.

    Raises:
        SourceError: it holds no video stream.
    """
    stream = video_stream(container, name)
    duration = container.duration  # microseconds
    if duration is not None and duration <= 1_000_000 * seconds:
        return [WHOLE]
    if stream.codec_context.name not in ONE_FRAME_A_PACKET or container.format.name == "avi":
        return [WHOLE]
    stamps = _time_stamps(container, stream)
    if stamps is None:
        return [WHOLE]
    spans = _spans(*stamps, seconds / float(time_base(stream)))
    return spans if len(spans) > 1 else [WHOLE]


def _time_stamps(
    container: InputContainer, stream: VideoStream
) -> tuple[list[int], list[int]] | None:
    """Return the time stamps of all frames, in order, and of keyframes; None if not regular."""
    import av

    stamps: list[int] = []
    keyframes: list[int] = []
    decoded_at = None
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            irregular = packet.is_corrupt or packet.is_discard
            if packet.pts is None or packet.dts is None or irregular:
                return None
            if decoded_at is not None and packet.dts <= decoded_at:
                return None  # recordings that were joined
            decoded_at = packet.dts
            stamps.append(packet.pts)
            if packet.is_keyframe:
                keyframes.append(packet.pts)
    except (av.error.FFmpegError, OSError):
        return None
    stamps.sort()
    unique = all(before < after for before, after in itertools.pairwise(stamps))
    return (stamps, sorted(keyframes)) if stamps and unique else None


def _spans(stamps: list[int], keyframes: list[int], length: float) -> list[Span]:
    """Cut at the first keyframe after each `length`, in units of the time stamps."""
    number = {stamp: index for index, stamp in enumerate(stamps)}
    cuts: list[tuple[int, int]] = []  # time stamp, and that of the keyframe before it
    last = stamps[0]
    for before, keyframe in itertools.pairwise(keyframes):
        if keyframe - last >= length:
            cuts.append((keyframe, before))
            last = keyframe
    firsts = [0, *(number[stamp] for stamp, _ in cuts)]
    ends = [*firsts[1:], len(stamps)]
    begins = [(None, None), *cuts]
    after = [*(stamp for stamp, _ in cuts), None]
    return [
        Span(first, end - first, begin, stop, seek)
        for first, end, (begin, seek), stop in zip(firsts, ends, begins, after, strict=True)
    ]


def decode_span(
    container: InputContainer, name: str, span: Span, threads: int = 0
) -> Iterator[Frame]:
    """Yield the frames of a part, with their numbers and times in the whole video.

    They are decoded by so many threads; 0 leaves the number to FFmpeg.

    Raises:
        SourceError: a frame cannot be decoded, or there are fewer or more than the packets say.
    """
    import av

    stream = video_stream(container, name, threads)
    unit, upright = time_base(stream), Upright()
    count = 0
    try:
        for image in _from_keyframe(container, stream, span):
            if span.end is not None and image.pts >= span.end:
                break
            if span.begin is None or image.pts >= span.begin:
                number = span.first_frame + count
                count += 1
                yield Frame(number, upright(image), time=image.pts * unit)
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(
            f"{name} is damaged after frame {span.first_frame + count} ({reason}); {_REMEDY}"
        ) from error
    if count != span.frames:
        raise SourceError(
            f"{name}: {count} frames from frame {span.first_frame} on can be decoded, its index "
            f"has {span.frames}; {_REMEDY}"
        )


_REMEDY = "copy or record it again, or predict it undivided (--segment 0)"


def _from_keyframe(container: InputContainer, stream: VideoStream, span: Span) -> Iterator[Any]:
    """Yield decoded frames from the keyframe on, or from the start where seeking goes too far."""
    if span.seek is None:
        yield from container.decode(stream)
        return
    assert span.begin is not None
    container.seek(span.seek, stream=stream)
    images = container.decode(stream)
    first: Any = next(images, None)
    if first is None or first.pts > span.begin:
        container.seek(stream.start_time or 0, stream=stream)
        images = container.decode(stream)
    else:
        yield first
    yield from images
