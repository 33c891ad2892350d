"""Pixels of decoded frames, of whatever depth they were stored with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from rcnet_rt.poses.frame import Frame
from rcnet_rt.video.images import to_8_bits
from rcnet_rt.video.videofile import VideoFileSource

HEIGHT, WIDTH = 48, 64
RAMP = np.tile(np.linspace(0, 1, WIDTH), (HEIGHT, 1))
COLORS = np.stack([np.full_like(RAMP, 0.25), RAMP[:, ::-1], RAMP], axis=2)  # blue first


def encoded(
    path: Path, image: npt.NDArray[Any], stored: str, pixels: str, codec: str = "ffv1"
) -> npt.NDArray[np.uint8]:
    """Write an image that is `stored` so as a video of a format of pixels; return it as read."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=stored)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=10, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        for packet in [*stream.encode(frame.reformat(format=pixels)), *stream.encode()]:
            container.mux(packet)
    with VideoFileSource(path) as source:
        (read,) = source
    assert isinstance(read, Frame)
    return read.image_bgr


@pytest.mark.parametrize(
    ("pixels", "codec", "tolerance"),
    [
        ("rgb48le", "ffv1", 0),
        ("gbrp16le", "ffv1", 0),
        ("gbrp10le", "ffv1", 1),
        ("yuv444p16le", "ffv1", 1),
        ("yuv444p10le", "libx264", 1),
        ("yuv420p10le", "libx264", 6),  # colors of half the resolution
    ],
)
def test_colors_of_more_than_8_bits(
    tmp_path: Path, pixels: str, codec: str, tolerance: int
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    stored = np.rint(65535 * COLORS[..., ::-1]).astype(np.uint16)
    read = encoded(tmp_path / "a.mkv", stored, "rgb48le", pixels, codec)
    assert read.dtype == np.uint8
    np.testing.assert_allclose(read, np.rint(255 * COLORS), atol=tolerance)


def test_grey_of_16_bits(tmp_path: Path) -> None:
    stored = np.rint(65535 * RAMP).astype(np.uint16)
    read = encoded(tmp_path / "a.mkv", stored, "gray16le", "gray16le")
    expected = np.rint(255 * RAMP).astype(np.uint8)
    np.testing.assert_array_equal(read, np.repeat(expected[..., None], 3, axis=2))


def test_a_thermal_camera_of_14_bits_is_seen(tmp_path: Path) -> None:
    """Its values are a small part of the 16 bits: they are stretched, as those of images are."""
    stored = np.rint(7000 + 2000 * RAMP).astype(np.uint16)
    read = encoded(tmp_path / "a.mkv", stored, "gray16le", "gray16le")
    np.testing.assert_allclose(read[..., 0], 255 * RAMP, atol=0.6)
    np.testing.assert_array_equal(read, np.repeat(to_8_bits(stored)[..., None], 3, axis=2))
