"""Videos and images written whole or not at all."""

from __future__ import annotations

import resource
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from rcnet_rt.errors import OutputError
from rcnet_rt.video.sink import ImageSink, VideoSink

RATE, UNIT = Fraction(10), Fraction(1, 1000)


def read(path: Path) -> tuple[list[Fraction], list[np.ndarray], av.VideoCodecContext]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        times = [frame.pts * frame.time_base for frame in frames]
        return times, [frame.to_ndarray(format="bgr24") for frame in frames], stream.codec_context


def frame_of(value: int = 90, size: tuple[int, int] = (48, 32)) -> np.ndarray:
    return np.full((size[1], size[0], 3), value, np.uint8)


def test_h264_with_the_given_times(tmp_path: Path) -> None:
    times = [Fraction(t, 1000) for t in (40, 140, 173, 900)]
    with VideoSink(tmp_path / "a.mp4", (48, 32), RATE, UNIT) as sink:
        for time in times:
            sink.write(frame_of(), time)
        assert not (tmp_path / "a.mp4").exists()
    got, _, codec = read(tmp_path / "a.mp4")
    assert got == times
    assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_index_comes_first(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4", (48, 32), RATE, UNIT) as sink:
        sink.write(frame_of(), Fraction(0))
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_times_always_increase(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4", (48, 32), RATE, UNIT) as sink:
        for time in (5, 5, 3, 100):
            sink.write(frame_of(), Fraction(time, 1000))
    assert read(tmp_path / "a.mp4")[0] == [Fraction(t, 1000) for t in (5, 6, 7, 100)]


def test_odd_sides_grow_by_one(tmp_path: Path) -> None:
    image = np.zeros((31, 47, 3), np.uint8)
    image[:, 24:] = (40, 200, 90)
    with VideoSink(tmp_path / "a.mp4", (47, 31), RATE, UNIT) as sink:
        sink.write(image, Fraction(0))
    _, (got,), _ = read(tmp_path / "a.mp4")
    assert got.shape == (32, 48, 3)
    # Colours survive the way there and back, the repeated edge included.
    assert np.abs(got[31, 47].astype(int) - (40, 200, 90)).max() <= 6


def test_the_smallest_image(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4", (1, 1), RATE, UNIT) as sink:
        sink.write(frame_of(size=(1, 1)), Fraction(0))
    assert read(tmp_path / "a.mp4")[1][0].shape == (2, 2, 3)


def test_a_image_of_another_size_is_scaled(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4", (48, 32), RATE, UNIT) as sink:
        sink.write(frame_of(), Fraction(0))
        sink.write(frame_of(size=(100, 60)), Fraction(1, 10))
    assert [image.shape for image in read(tmp_path / "a.mp4")[1]] == [(32, 48, 3)] * 2


def test_without_frames_there_is_no_file(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4", (48, 32), RATE, UNIT):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_a_file_that_plays(tmp_path: Path) -> None:
    with (
        suppress(KeyboardInterrupt),
        VideoSink(tmp_path / "a.mp4", (48, 32), RATE, UNIT) as sink,
    ):
        for index in range(3):
            sink.write(frame_of(), Fraction(index, 10))
        raise KeyboardInterrupt
    assert len(read(tmp_path / "a.mp4")[0]) == 3
    sink.close()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/a.mp4", "does not exist; create"),
        ("a.avi", "must end in one of .m4v .mkv .mov .mp4"),
        ("folder.mp4", "is a folder"),
    ],
)
def test_where_no_file_can_be(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(OutputError, match=message):
        VideoSink(tmp_path / name, (48, 32), RATE, UNIT)


def test_full_disk(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with (
            pytest.raises(OutputError, match="cannot be written"),
            VideoSink(tmp_path / "a.mp4", (48, 32), RATE, UNIT) as sink,
        ):
            sink.write(frame_of(), Fraction(0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_one_file(tmp_path: Path) -> None:
    first, second = (VideoSink(tmp_path / "a.mp4", (48, 32), RATE, UNIT) for _ in range(2))
    for count, sink in enumerate((first, second), start=1):
        for number in range(count):
            sink.write(frame_of(), Fraction(number, 25))
    first.close()
    assert len(read(tmp_path / "a.mp4")[0]) == 1
    second.close()
    assert len(read(tmp_path / "a.mp4")[0]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_images_keep_their_type(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    sink = ImageSink(tmp_path / "out")
    sink.write(image, "inner/a.png")
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out" / "inner" / "a.png")), image)
    assert [path.name for path in (tmp_path / "out" / "inner").iterdir()] == ["a.png"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        ImageSink(tmp_path / "out").write(frame_of(), "a.png")


def test_two_sinks_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    """The last to finish wins, whole."""
    first = VideoSink(tmp_path / "a.mp4", (48, 32), RATE, UNIT)
    second = VideoSink(tmp_path / "a.mp4", (48, 32), RATE, UNIT)
    for index in range(5):
        first.write(frame_of(), Fraction(index, 10))
        if index < 3:
            second.write(frame_of(), Fraction(index, 10))
    second.close()
    assert len(read(tmp_path / "a.mp4")[0]) == 3
    first.close()
    assert len(read(tmp_path / "a.mp4")[0]) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    path = tmp_path / f"{'a' * 250}.mp4"
    with VideoSink(path, (48, 32), RATE, UNIT) as sink:
        sink.write(frame_of(), Fraction(0))
    assert list(tmp_path.iterdir()) == [path]
