"""Streams over a real connection: all frames, gaps that are said, nothing made up, no secrets."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame, Gap
from rcnet_rt.video import live, source, stream
from rcnet_rt.video.address import parse_address
from rcnet_rt.video.live import LiveSource
from rcnet_rt.video.source import open_live, open_source, split
from tests.helpers.stream_server import clip, serving
from tests.helpers.stream_server import stream as sending

COUNT = 30
CLIP = clip(COUNT)


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_SECONDS", 0.4)
    monkeypatch.setattr(live, "MIN_WAIT", 0.02)
    # In this process, where these hold; tests/test_video_sandbox.py is about the other one.
    monkeypatch.setattr(source, "SandboxedSource", source.open_here)


def brightness(items: list[Frame | Gap]) -> list[int]:
    """Which frames of the clip these are, -1 for a gap."""
    return [
        -1 if isinstance(item, Gap) else round((float(item.image_bgr.mean()) - 18) / 4)
        for item in items
    ]


def take(source: LiveSource, until: int) -> list[Frame | Gap]:
    """Read until so many frames have come, as a pipeline does, then stop."""
    items: list[Frame | Gap] = []
    for item in source:
        items.append(item)
        if isinstance(item, Frame) and item.index + 1 == until:
            source.stop()
            break
    return items


def test_without_realtime_every_frame_comes() -> None:
    with serving([sending(CLIP)]) as (url, _), open_source(url) as source:
        assert (source.kind, source.name, source.size) == ("video", url, (96, 64))
        frames = list(source)
    assert brightness(frames) == list(range(COUNT))
    assert [frame.time for frame in frames] == [Fraction(i, 25) for i in range(COUNT)]


def test_motion_jpeg() -> None:
    body = clip(COUNT, "mpjpeg")
    with (
        serving([sending(body)], "multipart/x-mixed-replace;boundary=ffmpeg") as (url, _),
        open_source(url) as source,
    ):
        frames = list(source)
    assert brightness(frames) == list(range(COUNT))
    times = [frame.time for frame in frames]
    assert all(a < b for a, b in pairwise(times))


def test_silence_ends_a_stream_that_nobody_keeps_alive() -> None:
    frames: list[Frame | Gap] = []
    with (
        serving([sending(CLIP, stall=True)]) as (url, _),
        open_source(url) as source,
        pytest.raises(SourceError, match=r"was lost \(nothing came in time\); check"),
    ):
        frames.extend(source)
    assert brightness(frames) == list(range(len(frames)))
    assert len(frames) >= COUNT - 1  # the last may wait for the mark of the next


def test_a_stream_that_stalls_and_comes_back() -> None:
    visits = [sending(CLIP, stall=True), None, None, sending(CLIP), sending(CLIP, stall=True)]
    with serving(visits) as (url, seen), open_live(parse_address(url)) as source:
        items = take(source, until=2 * COUNT + 5)
        assert len(seen) == len(visits)
    gaps = [item for item in items if isinstance(item, Gap)]
    frames = [item for item in items if isinstance(item, Frame)]
    assert len(gaps) == 2
    assert "nothing came in time" in gaps[0].reason
    assert gaps[1].reason.endswith("ended")
    # Numbered through, times increase, and every frame is one that was sent.
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(a.time < b.time for a, b in pairwise(frames) if a.time and b.time)
    first = items.index(gaps[0])
    assert gaps[0].after == first - 1
    assert float(frames[first - 1].time or 0) < gaps[0].time < float(frames[first].time or 0)
    second = items.index(gaps[1])
    assert brightness(items[first + 1 : second]) == list(range(COUNT))


def test_attempts_become_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    class Clock(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return len(waits) > 8

    with serving([sending(CLIP)]) as (url, _), open_live(parse_address(url)) as source:
        source._stopped = Clock()
        monkeypatch.setattr(live, "MIN_WAIT", 0.5)
        monkeypatch.setattr(stream, "_connect", refuse)
        items = list(source)
    assert waits == [0.5, 1, 2, 4, 8, 10, 10, 10, 10]
    assert isinstance(items[-1], Gap)


def refuse(address: object) -> None:
    raise SourceError("nobody is there")


def test_stop_ends_the_waiting() -> None:
    with serving([sending(CLIP)]) as (url, _), open_live(parse_address(url)) as source:
        reader = threading.Thread(target=lambda: list(source))
        reader.start()
        reader.join(0.3)
        assert reader.is_alive()  # it tries to connect again and again
        source.stop()
        reader.join(5)
        assert not reader.is_alive()


def test_a_camera_that_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loose:
        """A camera whose cable slips out after three images."""

        def __init__(self, index: int) -> None:
            self.left = 3

        def isOpened(self) -> bool:
            return True

        def get(self, key: int) -> float:
            return 30.0

        def read(self) -> tuple[bool, np.ndarray | None]:
            self.left -= 1
            return (True, np.zeros((4, 6, 3), np.uint8)) if self.left >= 0 else (False, None)

        def release(self) -> None: ...

    monkeypatch.setattr(cv2, "VideoCapture", Loose)
    with open_live(0) as source:
        items = take(source, until=7)
    kinds = ["gap" if isinstance(item, Gap) else item.index for item in items]
    assert kinds == [0, 1, 2, "gap", 3, 4, 5, "gap", 6]


def test_credentials_are_sent_and_never_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with serving([sending(CLIP), None], login=True) as (url, seen):
        secret = url.replace("http://", "http://me:hush%21@") + "?token=hush"
        (part,) = split(secret)
        with open_source(secret) as source:
            assert source.name == url
            assert len(list(source)) == COUNT
        with pytest.raises(SourceError) as caught:
            open_source(secret)
    assert "Basic " + base64.b64encode(b"me:hush!").decode() in seen
    assert str(caught.value).startswith(f"{url} cannot be opened")
    for text in (repr(part), str(caught.value), repr(source), *capfd.readouterr()):
        assert "hush" not in text
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "name", "stem"),
    [
        ("rtsp://u:p@cam.local:554/h264/ch1?x=1#y", "rtsp://cam.local:554/h264/ch1", "ch1"),
        ("HTTP://host/a/b c.mp4", "http://host/a/b c.mp4", "b_c"),
        ("https://host", "https://host", "host"),
        ("rtsp://u:p@ss/w@rd@host/s", "rtsp://host/s", "s"),
        ("rtsp://../../", "rtsp://../../", "stream"),
    ],
)
def test_names(url: str, name: str, stem: str) -> None:
    address = parse_address(url)
    assert (address.name, address.stem) == (name, stem)


def test_a_text_is_no_stream() -> None:
    with serving([sending(b"hello\n" * 2000)]) as (url, _), pytest.raises(SourceError):
        open_source(url)


def test_a_playlist_leads_to_no_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("secret") / "a.ts"
    secret.write_bytes(CLIP)
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n"
    kind = "application/vnd.apple.mpegurl"
    with serving([sending(text.encode())], kind) as (url, _), pytest.raises(SourceError):
        open_source(url)


def threads() -> Iterator[str]:
    return (thread.name for thread in threading.enumerate())


def test_closing_early() -> None:
    with serving([sending(CLIP, stall=True)]) as (url, _), closing(open_source(url)) as source:
        next(iter(source))
    assert not [name for name in threads() if name.startswith("rcnet-rt")]
