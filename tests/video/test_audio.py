"""Sound goes along: copied to the byte, or encoded again, and cut with the images."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rcnet_rt.video.audio import open_sound
from rcnet_rt.video.sink import VideoSink
from rcnet_rt.video.source import open_source

RATE, SECONDS = 10, 3
TONE = 440.0


def film(path: Path, codec: str | None, rate: int = 44_100) -> Path:
    """Write three seconds of grey, and of a tone."""
    with av.open(str(path), "w") as output:
        video: Any = output.add_stream("libx264", rate=RATE, options={"tune": "zerolatency"})
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound: Any = output.add_stream(codec, rate=rate) if codec else None
        for index in range(RATE * SECONDS):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 99, np.uint8), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            output.mux(video.encode(frame))
            if sound is None:
                continue
            times = (index * rate // RATE + np.arange(rate // RATE)) / rate
            wave = np.sin(2 * np.pi * TONE * times).astype(np.float32)[None]
            piece = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            piece.sample_rate, piece.time_base = rate, Fraction(1, rate)
            piece.pts = index * rate // RATE
            output.mux(sound.encode(piece))
        output.mux(video.encode(None))
        if sound is not None:
            output.mux(sound.encode(None))
    return path


def copy(path: Path, out: Path, frames: int | None = None) -> str | None:
    """Run a file through source and sink; return what is noted about its sound."""
    sound = open_sound(path)
    with open_source(str(path)) as source:
        assert source.frame_rate is not None
        assert source.time_base is not None
        with VideoSink(out, source.size, source.frame_rate, source.time_base, sound) as sink:
            for index, frame in enumerate(source):
                if index == frames:
                    break
                sink.write(frame.image_bgr, frame.time)
    if sound is None:
        return None
    return sound.note


def packets(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.size]


def samples(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(frames, axis=1)[0].astype(np.float64)


@pytest.mark.parametrize(
    ("name", "codec", "out"),
    [
        ("a.mp4", "aac", "b.mp4"),
        ("a.mkv", "aac", "b.mp4"),
        ("a.mp4", "aac", "b.mkv"),
        ("a.mkv", "libopus", "b.mp4"),
        ("a.mkv", "flac", "b.mp4"),
        ("a.mkv", "pcm_s16le", "b.mkv"),
    ],
)
def test_sound_is_copied_to_the_byte(tmp_path: Path, name: str, codec: str, out: str) -> None:
    rate = 48_000 if codec == "libopus" else 44_100
    path = film(tmp_path / name, codec, rate)
    assert copy(path, tmp_path / out) is None
    before, after = packets(path), packets(tmp_path / out)
    assert [data for _, data in after] == [data for _, data in before]
    for (old, _), (new, _) in zip(before, after, strict=True):
        assert abs(float(old - new)) < 0.025  # Matroska has no room for what AAC plays before zero


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "pcm_s16le"), ("a.mkv", "libvorbis")])
def test_what_mp4_cannot_hold_is_encoded_again(tmp_path: Path, name: str, codec: str) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV was built without {codec}")
    path = film(tmp_path / name, codec)
    note = copy(path, tmp_path / "b.mp4")
    assert note is not None
    assert note.startswith("the sound of a.")
    assert note.endswith("was encoded again as AAC")
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    wave = samples(tmp_path / "b.mp4")
    assert len(wave) / 44_100 == pytest.approx(SECONDS, abs=0.1)
    spectrum = np.abs(np.fft.rfft(wave))
    assert np.fft.rfftfreq(len(wave), 1 / 44_100)[spectrum.argmax()] == pytest.approx(TONE, abs=2)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.avi", "pcm_s16le")])
def test_sound_ends_with_the_images(tmp_path: Path, name: str, codec: str) -> None:
    copy(film(tmp_path / name, codec), tmp_path / "b.mp4", frames=RATE)
    times = [float(time) for time, _ in packets(tmp_path / "b.mp4")]
    assert 0.9 < times[-1] < 1.01


def test_without_sound(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", None)
    assert open_sound(path) is None
    assert copy(path, tmp_path / "b.mp4") is None


def test_odd_rates_are_resampled(tmp_path: Path) -> None:
    """AAC knows a list of sample rates, and 11,020 is not on it."""
    note = copy(film(tmp_path / "a.avi", "pcm_s16le", rate=11_020), tmp_path / "b.mp4")
    assert note is not None
    assert len(samples(tmp_path / "b.mp4")) / 48_000 == pytest.approx(SECONDS, abs=0.1)
