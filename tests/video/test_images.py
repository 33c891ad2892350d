"""Images of more than 8 bits, and images in formats that are not read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rcnet_rt.errors import SourceError
from rcnet_rt.video.images import read_image, to_8_bits
from rcnet_rt.video.source import open_source, split

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


@pytest.fixture
def scene() -> np.ndarray:
    """A smooth image that spans 0 to 255."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([4 * x, 5 * y, 2 * (x + y)], axis=2).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["ir14.png", "f32.tiff"])
def test_the_published_images_of_more_than_8_bits(shared_data: Path, name: str) -> None:
    folder = shared_data.parent / "cases" / "pictures"
    if not folder.is_dir():
        pytest.skip("the cases are not here")
    image = read_image(folder / name)
    assert (image.dtype, image.shape) == (np.uint8, (640, 621, 3))
    assert 60 < image.mean() < 190
    assert image.min() == 0
    assert image.max() == 255


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_any_number_of_bits_in_16(
    tmp_path: Path, scene: np.ndarray, bits: int, suffix: str
) -> None:
    wide = (scene / 255 * (2**bits - 1)).round().astype(np.uint16)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), wide)
    image = read_image(tmp_path / f"a{suffix}")
    assert np.abs(image.astype(int) - scene).max() <= 3


@pytest.mark.parametrize(("low", "high"), [(7000, 8500), (29_000, 31_000), (100, 140)])
def test_a_thermal_camera_spans_a_part_of_its_bits(
    tmp_path: Path, scene: np.ndarray, low: int, high: int
) -> None:
    raw = (low + scene[..., 0] / 255 * (high - low)).astype(np.uint16)
    raw[0, 0] = 65_535  # a dead pixel
    cv2.imwrite(str(tmp_path / "a.png"), raw)
    image = read_image(tmp_path / "a.png")
    assert np.abs(image[..., 1].astype(int) - scene[..., 0])[1:].max() <= 8


@pytest.mark.parametrize("gray", [True, False])
@pytest.mark.parametrize("top", [1.0, 255.0, 5000.0])
def test_floats(tmp_path: Path, scene: np.ndarray, gray: bool, top: float) -> None:
    values = (scene / 255 * top).astype(np.float32)
    cv2.imwrite(str(tmp_path / "a.tiff"), values[..., 0] if gray else values)
    image = read_image(tmp_path / "a.tiff")
    expected = np.repeat(scene[..., :1], 3, axis=2) if gray else scene
    assert np.abs(image.astype(int) - expected).max() <= 3


def test_odd_floats() -> None:
    image = np.full((4, 5, 3), np.nan)
    image[0, 0] = (-1e30, 3, 1e30)
    assert to_8_bits(image)[0, 0].tolist() == [0, 128, 255]
    assert not to_8_bits(np.full((4, 5, 3), 7, np.uint16)).any()


def test_nothing_finite(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.tiff"), np.full((4, 5), np.nan, np.float32))
    with pytest.raises(SourceError, match="no finite number"):
        read_image(tmp_path / "a.tiff")


def test_8_bits_are_what_opencv_reads(shared_data: Path) -> None:
    paths = sorted((shared_data / "coco" / "images").rglob("*.jpg"))[:10]
    assert paths
    for path in paths:
        np.testing.assert_array_equal(read_image(path), cv2.imread(str(path)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.heic", HEIC),
        ("A.HEIC", HEIC),
        ("a.jpg", HEIC),
        ("a.mp4", HEIC),
        ("a", HEIC),
        ("a.hif", b"anything"),
        ("a.png", HEIC.replace(b"heic", b"avif")),
        ("a.jxl", b"\xff\x0a0000"),
        ("a.jpg", b"\xff\x0a0000"),
        ("a.dng", b"II*\0"),
    ],
)
def test_an_image_that_is_not_read_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content + bytes(100))
    with pytest.raises(SourceError, match=r"not read.*convert to JPEG"):
        open_source(str(tmp_path / name))


def test_no_image_of_a_folder_is_left_out_in_silence(tmp_path: Path, scene: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), scene)
    (tmp_path / "a.dng").write_bytes(b"the same image")
    assert split(str(tmp_path)) == [(tmp_path / "a.jpg",)]
    (tmp_path / "IMG_1.HEIC").write_bytes(HEIC)
    for spec in (str(tmp_path), f"{tmp_path}/*"):
        with pytest.raises(SourceError, match=r"1 of 2 images .*HEIC: IMG_1\.HEIC.*convert"):
            split(spec)
    assert split(f"{tmp_path}/*.jpg") == [(tmp_path / "a.jpg",)]
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(SourceError, match=r"2 of 2 images .*camera raw"):
        split(str(tmp_path))
