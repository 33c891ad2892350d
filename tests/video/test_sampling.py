"""Images and frames at even distances over all sources."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.video.sampling import SampledImages
from tests.helpers.clips import write_clip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number in range(10):
        pixels = np.full((48, 64, 3), number, np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), pixels)
    return tmp_path / "images"


def test_all_of_few_and_even_distances_of_many(folder: Path) -> None:
    for number, expected in ((99, list(range(10))), (4, [0, 3, 6, 9]), (1, [0])):
        images = SampledImages([str(folder)], number)
        assert [int(image[0, 0, 0]) for image in images] == expected
        assert (len(images), images.total) == (len(expected), 10)


def test_frames_of_a_video_beside_images(folder: Path, tmp_path: Path, random_poses: Poses) -> None:
    write_clip(tmp_path, random_poses, frames=10)
    images = SampledImages([str(folder), str(tmp_path / "clip.mp4")], 7)
    assert (len(images), images.total) == (7, 20)
    shapes = [image.shape for image in images]
    assert shapes == [(48, 64, 3)] * 3 + [(480, 640, 3)] * 4
    brightness = [float(image.mean()) for image in images][3:]
    np.testing.assert_allclose(brightness, [0, 60, 120, 180], atol=4)  # frames 0, 3, 6, 9


def test_a_camera_has_no_end(folder: Path) -> None:
    with pytest.raises(SourceError, match="record it first"):
        SampledImages([str(folder), "0"], 5)
