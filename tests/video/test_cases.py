"""Real files that went wrong: mirrored, of odd pixels, with old cameras' sound, joined."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from rcnet_rt.poses.frame import Frame, Gap
from rcnet_rt.video.audio import open_sound
from rcnet_rt.video.decoding import as_fraction
from rcnet_rt.video.sink import VideoSink
from rcnet_rt.video.source import open_here, open_sandboxed, open_source

RED, GREEN, BLUE, WHITE = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255)
NAMES = {RED: "red", GREEN: "green", BLUE: "blue", WHITE: "white"}
ONE = 1 << 16
# a, b, c, d of the eight matrices that a camera writes, and the corners (upper left and right,
# lower left and right) of red green / blue white as FFmpeg's autorotate shows them.
MATRICES = {
    "plain": ((1, 0, 0, 1), "red green blue white"),
    "mirrored": ((-1, 0, 0, 1), "green red white blue"),
    "half a turn": ((-1, 0, 0, -1), "white blue green red"),
    "flipped": ((1, 0, 0, -1), "blue white red green"),
    "transposed": ((0, 1, 1, 0), "red blue green white"),
    "clockwise": ((0, 1, -1, 0), "blue red white green"),
    "transversed": ((0, -1, -1, 0), "white green blue red"),
    "counterclockwise": ((0, -1, 1, 0), "green white red blue"),
}


@pytest.fixture(scope="session")
def cases(shared_data: Path) -> Path:
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip("the cases are not here: they lie beside the folder of real data")
    return folder


def corners(image: np.ndarray) -> str:
    """Return the colours of the corners in words."""
    height, width = image.shape[:2]
    found = [image[y, x].astype(int) for y in (4, height - 5) for x in (4, width - 5)]
    return " ".join(NAMES[min(NAMES, key=lambda c: np.abs(pixel - c).sum())] for pixel in found)


def write(
    path: Path,
    frames: int = 5,
    matrix: tuple[int, ...] | None = None,
    ratio: Fraction | None = None,
    value: int = 90,
    start: int = 0,
) -> Path:
    """Write a clip of 10 frames a second whose corners are red, green, blue and white."""
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        if ratio is not None:
            stream.codec_context.sample_aspect_ratio = ratio
        if matrix is not None:
            a, b, c, d = (ONE * each for each in matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for index in range(start, start + frames):
            image = np.full((64, 96, 3), value, np.uint8)
            image[:24, :36], image[:24, -36:] = RED, GREEN
            image[-24:, :36], image[-24:, -36:] = BLUE, WHITE
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def copy(path: Path, out: Path) -> tuple[list[Frame], list[Gap], str | None]:
    """Run a file through source and sink; return its frames and gaps, and the note on its sound."""
    sound = open_sound(path)
    with open_source(str(path)) as source:
        rate, unit = source.frame_rate, source.time_base
        assert rate is not None
        assert unit is not None
        ratio = source.sample_aspect_ratio
        size = source.size
        with VideoSink(out, size, rate, unit, sound, sample_aspect_ratio=ratio) as sink:
            items = []
            for item in source:
                items.append(item)
                if isinstance(item, Frame):
                    sink.write(item.image_bgr, item.time or Fraction(0))
    frames = [item for item in items if isinstance(item, Frame)]
    gaps = [item for item in items if isinstance(item, Gap)]
    return frames, gaps, sound.note if sound else None


@pytest.mark.parametrize("name", MATRICES)
def test_all_eight_display_matrices(tmp_path: Path, name: str) -> None:
    matrix, expected = MATRICES[name]
    path = write(tmp_path / "a.mp4", matrix=matrix)
    for source in (open_here(path), open_sandboxed(path)):
        with source:
            frame = next(iter(source))
            assert isinstance(frame, Frame)
            assert corners(frame.image_bgr) == expected
            assert source.size == ((64, 96) if matrix[0] == 0 else (96, 64))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("q_plain", "red green blue white"),
        ("q_hflip", "green red white blue"),
        ("q_rot90cw", "blue red white green"),
    ],
)
def test_the_published_matrices(cases: Path, name: str, expected: str) -> None:
    with open_source(str(cases / "video" / f"{name}.mp4")) as source:
        frame = next(iter(source))
        assert isinstance(frame, Frame)
        assert corners(frame.image_bgr) == expected


def ratio_of(path: Path) -> Fraction | None:
    with av.open(str(path)) as container:
        return as_fraction(container.streams.video[0].sample_aspect_ratio)


def test_pixels_that_are_not_square_stay_so(cases: Path, tmp_path: Path) -> None:
    copy(cases / "video" / "sar.mp4", tmp_path / "b.mp4")
    assert ratio_of(tmp_path / "b.mp4") == Fraction(16, 11)


@pytest.mark.parametrize(
    ("suffix", "ratio", "turned"),
    [
        (".mp4", Fraction(16, 11), False),
        (".mkv", Fraction(64, 45), False),
        (".mov", Fraction(12, 11), True),
        (".mp4", Fraction(8, 9), True),
    ],
)
def test_pixels_of_any_shape(tmp_path: Path, suffix: str, ratio: Fraction, turned: bool) -> None:
    matrix = (0, 1, -1, 0) if turned else None
    path = write(tmp_path / "a.mp4", ratio=ratio, matrix=matrix)
    copy(path, tmp_path / f"b{suffix}")
    assert ratio_of(tmp_path / f"b{suffix}") == (1 / ratio if turned else ratio)
    with open_sandboxed(path) as source:
        assert source.sample_aspect_ratio == (1 / ratio if turned else ratio)


def test_square_pixels_need_no_ratio(tmp_path: Path) -> None:
    copy(write(tmp_path / "a.mp4"), tmp_path / "b.mp4")
    assert ratio_of(tmp_path / "b.mp4") in (None, 0, 1)


def test_rational_numbers_of_every_version_of_pyav() -> None:
    assert as_fraction(Fraction(2, 3)) == Fraction(2, 3)
    assert as_fraction(SimpleNamespace(numerator=30_000, denominator=1001)) == Fraction(
        30_000, 1001
    )
    assert as_fraction(SimpleNamespace(numerator=0, denominator=0)) is None
    assert as_fraction(None) is None


@pytest.mark.parametrize("name", ["mp3.avi", "mp3d.avi"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_the_sound_of_old_cameras(cases: Path, tmp_path: Path, name: str, suffix: str) -> None:
    path, out = cases / "video" / name, tmp_path / f"b{suffix}"
    frames, gaps, note = copy(path, out)
    assert (len(frames), gaps, note) == ({"mp3.avi": 20, "mp3d.avi": 100}[name], [], None)
    with av.open(str(out)) as after:
        assert len(list(after.decode(video=0))) == len(frames)
    with av.open(str(path)) as before, av.open(str(out)) as after:
        old = [bytes(packet) for packet in before.demux(audio=0) if packet.size]
        new = [packet for packet in after.demux(audio=0) if packet.size]
        assert [bytes(packet) for packet in new] == old
        seconds = [float(packet.pts * packet.time_base) for packet in new]
        assert all(earlier < later for earlier, later in pairwise(seconds))
        rate = after.streams.audio[0].rate
        assert seconds[-1] == pytest.approx((len(old) - 1) * 1152 / rate, abs=0.05)


def silence(path: Path, codec: str, rate: int = 44_100, **options: str) -> Path:
    """Write two seconds of grey with a sound track that holds silence."""
    with av.open(str(path), "w") as output:
        video: Any = output.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound: Any = output.add_stream(codec, rate=rate, options=options)
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 99, np.uint8), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            output.mux(video.encode(frame))
            piece = av.AudioFrame.from_ndarray(
                np.zeros((1, rate // 10), np.float32), format="fltp", layout="mono"
            )
            piece.sample_rate, piece.time_base = rate, Fraction(1, rate)
            piece.pts = index * rate // 10
            output.mux(sound.encode(piece))
        output.mux(video.encode(None))
        output.mux(sound.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.avi", "libmp3lame"),
        ("a.avi", "mp2"),
        ("a.avi", "ac3"),
        ("a.avi", "adpcm_ima_wav"),
        ("a.ts", "aac"),
        ("a.ts", "mp2"),
        ("a.mkv", "libopus"),
        ("a.mkv", "flac"),
        ("a.mov", "pcm_s16be"),
        ("a.mpg", "mp2"),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v", ".mkv"])
def test_no_sound_stops_the_images(tmp_path: Path, name: str, codec: str, suffix: str) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV was built without {codec}")
    path = silence(tmp_path / name, codec, 48_000 if codec == "libopus" else 44_100)
    frames, _, note = copy(path, tmp_path / f"b{suffix}")
    with av.open(str(tmp_path / f"b{suffix}")) as container:
        assert len(list(container.decode(video=0))) == len(frames) == 20
        with_sound = bool(container.streams.audio)
    assert with_sound != (note is not None and "left out" in note)
    assert with_sound or suffix in (".mov", ".m4v")
    if with_sound:
        with av.open(str(tmp_path / f"b{suffix}")) as container:
            heard = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
        assert heard == pytest.approx(2, abs=0.2)


def test_sound_that_cannot_be_written_is_left_out_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = silence(tmp_path / "a.avi", "mp2")
    monkeypatch.setattr("rcnet_rt.video.audio.AAC_RATES", frozenset({44_100}))
    monkeypatch.setattr("rcnet_rt.video.audio.open_output", lambda path: av.open("/no/where.mp4"))
    frames, _, note = copy(path, tmp_path / "b.mp4")
    assert note == "the sound of a.avi (mp2) was left out: No such file or directory"
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert len(list(container.decode(video=0))) == len(frames) == 20
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.avi", "b.mp4"]


def test_two_recordings_in_one_file(cases: Path, tmp_path: Path) -> None:
    frames, gaps, _ = copy(cases / "video" / "cat.ts", tmp_path / "b.mp4")
    assert len(frames) == 40
    assert [gap.after for gap in gaps] == [19]
    times = [frame.time for frame in frames]
    assert {later - earlier for earlier, later in pairwise(times)} == {Fraction(1, 10)}  # type: ignore[operator]


@pytest.mark.parametrize("counts", [(20, 20), (20, 3), (3, 20), (8, 8, 8)])
def test_recordings_of_any_length(tmp_path: Path, counts: tuple[int, ...]) -> None:
    parts = [write(tmp_path / f"{index}.ts", count) for index, count in enumerate(counts)]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    for source in (open_here(path), open_sandboxed(path)):
        with source:
            items = list(source)
        times = [item.time for item in items if isinstance(item, Frame)]
        assert len(times) == sum(counts)
        assert len(items) - len(times) == len(counts) - 1
        assert all(later > earlier for earlier, later in pairwise(times))  # type: ignore[operator]


def test_what_the_command_says_of_a_join(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.ts", 10)
    data = (tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes()
    (tmp_path / "joined.ts").write_bytes(data)
    (tmp_path / "poses.jsonl").write_text(
        '{"rcnet_rt": "0.1.0", "source": "x", "estimator": "e", "weights": "none", '
        '"skeleton": "coco17", "threshold": 0.2}\n'
        + "".join(f'{{"frame": {i}, "time": {i / 10}, "poses": []}}\n' for i in range(20))
    )
    outputs = ["--json", "out.jsonl", "--telemetry", "t.json"]
    done = subprocess.run(
        [sys.executable, "-m", "rcnet_rt", "joined.ts", "--model", "replay:poses.jsonl", *outputs],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()[1:]]
    assert [line["event"] for line in lines if "event" in line] == ["gap"]
    assert [line["frame"] for line in lines if "frame" in line] == list(range(20))
    assert json.loads((tmp_path / "t.json").read_text())["gaps"] == 1
    assert "connected again" not in done.stdout + done.stderr
