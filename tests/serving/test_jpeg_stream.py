from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from rcnet_rt.poses.frame import Image
from rcnet_rt.serving import jpeg_stream
from rcnet_rt.serving.jpeg_stream import JpegStream
from rcnet_rt.video.pipeline import Result

Nth = Callable[[int], Result]


class Drawing:
    """Remembers which frames it drew."""

    def __init__(self) -> None:
        self.drawn: list[int] = []

    def __call__(self, result: Result) -> Image:
        self.drawn.append(result.frame.index)
        return np.full((40, 60, 3), 10 * result.frame.index, np.uint8)


@pytest.fixture
def drawing() -> Drawing:
    return Drawing()


@pytest.fixture
def stream(drawing: Drawing, monkeypatch: pytest.MonkeyPatch) -> Iterator[JpegStream]:
    monkeypatch.setattr(jpeg_stream, "MAX_RATE", 1000.0)
    stream = JpegStream(drawing)
    yield stream
    stream.close()


def brightness(jpeg: bytes) -> float:
    return float(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).mean())


def test_nothing_is_drawn_while_nobody_watches(
    stream: JpegStream, drawing: Drawing, result: Nth
) -> None:
    for index in range(50):
        stream.offer(result(index))
    time.sleep(0.05)
    assert (drawing.drawn, stream.encoded) == ([], 0)


def test_a_viewer_gets_the_newest_and_skips_the_rest(
    stream: JpegStream, drawing: Drawing, result: Nth
) -> None:
    for index in (1, 2, 3):
        stream.offer(result(index))
    number, jpeg = stream.after(0, 5)
    assert (number, drawing.drawn) == (3, [3])
    assert brightness(jpeg) == pytest.approx(30, abs=1)
    for index in (4, 5):
        stream.offer(result(index))
    number, jpeg = stream.after(number, 5)
    assert (number, drawing.drawn) == (5, [3, 5])
    assert stream.after(number, 0.01) == (number, jpeg), "nothing is newer: the same again"
    assert stream.after(0, 5) == (number, jpeg), "a second viewer costs nothing"
    assert stream.encoded == 2


def test_before_the_first_result_there_is_no_image(stream: JpegStream) -> None:
    assert stream.after(0, 0.01) == (0, b"")


def test_many_viewers_share_one_encoding(stream: JpegStream, result: Nth) -> None:
    got: list[tuple[int, bytes]] = []
    viewers = [threading.Thread(target=lambda: got.append(stream.after(0, 5))) for _ in range(8)]
    for viewer in viewers:
        viewer.start()
    stream.offer(result(1))
    for viewer in viewers:
        viewer.join()
    assert stream.encoded == 1
    assert len({id(jpeg) for _, jpeg in got}) == 1, "one JPEG in memory for all"


def test_wide_images_are_scaled_down(result: Nth) -> None:
    stream = JpegStream(lambda _: np.zeros((600, 4000, 3), np.uint8))
    stream.offer(result(0))
    jpeg = stream.after(0, 5)[1]
    stream.close()
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (240, jpeg_stream.MAX_WIDTH, 3)


def test_the_rate_is_bounded(drawing: Drawing, result: Nth) -> None:
    stream = JpegStream(drawing)
    number, end = 0, time.monotonic() + 0.5
    while time.monotonic() < end:
        stream.offer(result(0))
        number, _ = stream.after(number, 1)
    stream.close()
    assert 2 <= stream.encoded <= 0.5 * jpeg_stream.MAX_RATE + 2


def test_closing_ends_viewers_and_is_done_once_only(stream: JpegStream) -> None:
    ended = threading.Event()

    def watch() -> None:
        with pytest.raises(EOFError):
            stream.after(0, 60)
        ended.set()

    threading.Thread(target=watch, daemon=True).start()
    stream.close()
    stream.close()
    assert ended.wait(5)


def test_what_fails_in_drawing_fails_the_run(result: Nth) -> None:
    def fails(_: Result) -> Image:
        raise KeyError("ellipses")

    stream = JpegStream(fails)
    stream.offer(result(0))
    stream.after(0, 0.2)
    with pytest.raises(KeyError, match="ellipses"):
        stream.offer(result(1))
    stream.close()
