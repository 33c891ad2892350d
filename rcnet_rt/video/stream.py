"""One connection to a live stream or to a video on a server, decoded by PyAV."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame, Kind
from rcnet_rt.video.address import PROTOCOLS, Address
from rcnet_rt.video.decoding import (
    Timeline,
    Upright,
    frame_rate,
    sample_aspect_ratio,
    time_base,
    video_stream,
)

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["StreamSource"]

CONNECT_SECONDS, SILENCE_SECONDS = 10.0, 5.0
OPTIONS = {"rtsp_transport": "tcp", "analyzeduration": "1000000"}


class StreamSource:
    """Every frame that a server sends, until it ends; times count from the first.

    Images that arrive damaged are left out.

    Raises:
        SourceError: there is no answer, it is no video, or nothing comes for five seconds.
    """

    kind: Kind = "video"
    frame_count: int | None = None
    sample_aspect_ratio: Fraction | None = None

    def __init__(self, address: Address) -> None:
        self.name = address.name
        self._container = _connect(address)
        try:
            self._stream = video_stream(self._container, self.name)
            self._stream.thread_type = "SLICE"  # threads by frame would hold some back
            self._decoder = self._decode()
            first = next(self._decoder, None)
            if first is None:
                raise SourceError(f"{self.name} sent no image; check the address")
        except BaseException:
            self._container.close()
            raise
        self._first: Frame | None = first
        self.size = first.size
        self.time_base: Fraction | None = time_base(self._stream)
        self.frame_rate: Fraction | None = frame_rate(self._stream)

    def __iter__(self) -> Iterator[Frame]:
        if self._first is None:
            raise SourceError(f"{self.name} was read already; open it again")
        first, self._first = self._first, None
        return itertools.chain([first], self._decoder)

    def stop(self) -> None:
        """Nothing to do: silence ends by itself after five seconds."""

    def close(self) -> None:
        """Close the connection; closing twice does nothing."""
        self._container.close()

    def __enter__(self) -> StreamSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decode(self) -> Iterator[Frame]:
        import av

        unit = time_base(self._stream)
        step = round(1 / (frame_rate(self._stream) * unit))
        timeline = Timeline(unit, step, offset=None)
        index, upright = 0, Upright()
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                images = [] if packet is None else packet.decode()
            except av.error.InvalidDataError:
                continue
            except (av.error.FFmpegError, OSError) as error:
                size = self._container.size
                if error.errno == errno.EIO and (size is None or size < 0):
                    return  # FFmpeg's answer where a server that gave no length closes
                # The cause would show the address with its credentials.
                raise SourceError(_lost(self.name, error)) from None
            for image in images:
                if index == 0:
                    self.sample_aspect_ratio = sample_aspect_ratio(self._stream, image)
                yield Frame(index, upright(image), time=timeline.time(image.pts))
                index += 1
            if packet is None:
                return


def _connect(address: Address) -> InputContainer:
    import av

    options = {"protocol_whitelist": PROTOCOLS[address.scheme], **OPTIONS}
    try:
        container = av.open(
            address.url, options=options, timeout=(CONNECT_SECONDS, SILENCE_SECONDS)
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceError(
            f"{address.name} cannot be opened ({_reason(error)}); check the address, the network, "
            "and the user name and password"
        ) from None
    if container.format.name == "tty":  # FFmpeg would decode any text as a video of text
        container.close()
        raise SourceError(f"{address.name} is a text, no video; check the address")
    return container


def _lost(name: str, error: BaseException) -> str:
    return f"{name} was lost ({_reason(error)}); check the network; --realtime connects again"


def _reason(error: BaseException) -> str:
    """Return what went wrong without what FFmpeg adds: the address as it was given."""
    import av

    if isinstance(error, av.error.ExitError):  # our own time limit
        return "nothing came in time"
    return getattr(error, "strerror", None) or type(error).__name__
