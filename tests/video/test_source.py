"""Video files, images and cameras as sources of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from rcnet_rt.errors import SourceError
from rcnet_rt.video.source import Frame, is_video, open_source, split

MakeVideo = Callable[..., Path]


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """A maker of small H.264 clips, one brightness a frame."""

    def make(
        name: str,
        times: Iterable[int] = range(5),
        unit: Fraction = Fraction(1, 15),
        rotation: int | None = None,
        options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", options=options or {}) as container:
            stream = container.add_stream("libx264", rate=15)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.time_base = stream.codec_context.time_base = unit
            if rotation is not None:
                stream.set_display_rotation(rotation)
            for index, time in enumerate(times):
                image = np.full((64, 96, 3), 20 + 20 * (index % 10), np.uint8)
                image[:20, :30] = (250, 0, 0)
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = time, unit
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make


def collect(source: Iterable[Frame], frames: list[Frame]) -> None:
    for frame in source:
        frames.append(frame)


def test_every_frame_with_its_time(make_video: MakeVideo) -> None:
    path = make_video("clip.mp4", times=[0, 1000, 1500, 4000, 4001], unit=Fraction(1, 1000))
    with open_source(str(path)) as source:
        assert (source.kind, source.name, source.size) == ("video", "clip.mp4", (96, 64))
        assert source.frame_count == 5
        frames = list(source)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.time_seconds for frame in frames] == [0.0, 1.0, 1.5, 4.0, 4.001]


@pytest.mark.parametrize("name", ["people.mp4", "sports.mp4"])
def test_pixels_are_those_of_opencv(shared_data: Path, name: str) -> None:
    path = shared_data / "videos" / name
    capture = cv2.VideoCapture(str(path))
    with open_source(str(path)) as source:
        for _, frame in zip(range(3), source, strict=False):
            np.testing.assert_array_equal(frame.image_bgr, capture.read()[1])


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_turned_as_the_file_says(make_video: MakeVideo, rotation: int) -> None:
    path = make_video("turned.mp4", rotation=rotation)
    with open_source(str(path)) as source:
        frame = next(iter(source))
    expected = cv2.VideoCapture(str(path)).read()[1]
    np.testing.assert_array_equal(frame.image_bgr, expected)
    assert source.size == (expected.shape[1], expected.shape[0])


@pytest.mark.parametrize("name", ["clip.mkv", "clip.ts", "clip.avi"])
def test_other_containers_give_increasing_times(make_video: MakeVideo, name: str) -> None:
    with open_source(str(make_video(name, times=range(20)))) as source:
        times = [frame.time for frame in source]
    assert len(times) == 20
    assert all(later > earlier for earlier, later in pairwise(times))


def test_a_file_that_breaks_off_gives_what_it_has(make_video: MakeVideo) -> None:
    path = make_video("cut.mp4", times=range(200), options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 4])
    frames: list[Frame] = []
    with open_source(str(path)) as source, pytest.raises(SourceError, match="breaks off after"):
        collect(source, frames)
    assert 100 < len(frames) < 200
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_a_source_is_read_once(make_video: MakeVideo) -> None:
    with open_source(str(make_video("clip.mp4"))) as source:
        assert len(list(source)) == 5
        with pytest.raises(SourceError, match="read already"):
            list(source)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.97])
def test_index_cut_off(make_video: MakeVideo, share: float) -> None:
    path = make_video("cut.mp4", times=range(200))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(SourceError, match="cut off"):
        open_source(str(path))


@pytest.mark.parametrize("name", ["text.mp4", "text.txt", "text.mkv", "text"])
def test_text_is_no_video(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("hello\n" * 50)
    with pytest.raises(SourceError, match="is not a video that can be decoded"):
        open_source(str(path))


def test_a_playlist_fetches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceError, match="not a video"):
        open_source(str(path))


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match="no video stream"):
        open_source(str(path))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("missing.mp4", "no such file or folder: missing.mp4"),
        ("file://user:secret@camera/1", "of the kind file:// are not opened"),
        ("concat://secret", "of the kind concat:// are not opened"),
        ("http://user:secret@127.0.0.1:9/a?token=secret", "http://127.0.0.1:9/a cannot be opened"),
        ("rtsp://user:se@/secret@127.0.0.1:9/a", "rtsp://127.0.0.1:9/a cannot be opened"),
        ("*.nothing", "no images or videos"),
        (".", "no images or videos"),
    ],
)
def test_nothing_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=message) as caught:
        open_source(spec)
    assert "secret" not in str(caught.value)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(SourceError, match="empty"):
        open_source(str(tmp_path / "empty.mp4"))


def test_images_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), np.full((4, 6, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("not an image")
    for spec in (str(tmp_path), str(tmp_path / "*.png")):
        with open_source(spec) as source:
            assert (source.kind, source.size, source.frame_count) == ("images", (6, 4), 3)
            frames = list(source)
        assert [frame.name for frame in frames] == ["frame1.png", "frame9.png", "frame10.png"]
        assert [int(frame.image_bgr[0, 0, 0]) for frame in frames] == [1, 9, 10]
        assert frames[0].time is None


def test_one_image(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "ä b.png"), image)
    with open_source(str(tmp_path / "ä b.png")) as source:
        (frame,) = source
    assert frame.name == source.name == "ä b.png"
    np.testing.assert_array_equal(frame.image_bgr, image)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 no image"])
def test_damaged_image(tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.jpg").write_bytes(content)
    with pytest.raises(SourceError, match="damaged"):
        open_source(str(tmp_path / "bad.jpg"))
    assert capfd.readouterr().err == ""


def test_a_folder_of_everything(make_video: MakeVideo, tmp_path: Path) -> None:
    make_video("b.mp4")
    make_video("a.mp4")
    cv2.imwrite(str(tmp_path / "c.png"), np.zeros((4, 6, 3), np.uint8))
    parts = split(str(tmp_path))
    assert parts == [(tmp_path / "c.png",), tmp_path / "a.mp4", tmp_path / "b.mp4"]
    assert [is_video(part) for part in parts] == [False, True, True]
    with pytest.raises(SourceError, match="3 sources"):
        open_source(str(tmp_path))


def test_no_such_camera(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match="camera 97"):
        open_source("97")
    assert capfd.readouterr().err == ""


class FakeCamera:
    """Gives three images, then nothing."""

    def __init__(self, index: int) -> None:
        self.left = 3

    def isOpened(self) -> bool:
        return True

    def get(self, key: int) -> float:
        return 0.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, np.zeros((4, 6, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.left = 0


def test_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    frames: list[Frame] = []
    with open_source("0") as source:
        assert (source.kind, source.name, source.frame_count) == ("camera", "camera 0", None)
        assert source.frame_rate == 30
        with pytest.raises(SourceError, match="gave no image 3"):
            collect(source, frames)
    assert [frame.index for frame in frames] == [0, 1, 2]
    times = [frame.time for frame in frames]
    assert times == sorted(times)
