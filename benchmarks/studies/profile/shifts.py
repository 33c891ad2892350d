"""Shifted images: the same people seen by a worse or differently mounted camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.augment import Augmentation, persons_in_augmentation
from rcnet_rt.datasets.coco import Persons

__all__ = ["CHOSEN_ON", "REPORTED", "SHIFTS", "shifted_image", "shifted_persons"]

Image = npt.NDArray[np.uint8]

GREY = 114  # what YOLO pads with
SCALES = {"small": 0.4, "large": 1.6}  # around the center; what is beyond the edge is lost
DEGREES = 25.0


def _clipped(values: npt.NDArray[Any]) -> Image:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _blur(image: Image, random: np.random.Generator) -> Image:
    import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), 3.0), np.uint8)


def _motion(image: Image, random: np.random.Generator) -> Image:
    import cv2

    kernel = np.full((1, 15), 1 / 15)
    return np.asarray(cv2.filter2D(image, -1, kernel), np.uint8)


def _dark(image: Image, random: np.random.Generator) -> Image:
    return _clipped(random.poisson(image * 0.15) * 1.0)  # with the noise of few photons


def _noise(image: Image, random: np.random.Generator) -> Image:
    return _clipped(image + random.normal(0, 40, image.shape))


def _haze(image: Image, random: np.random.Generator) -> Image:
    return _clipped(image * 0.25 + 150)


def _compression(image: Image, random: np.random.Generator) -> Image:
    import cv2

    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 6])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def _occlusion(image: Image, random: np.random.Generator) -> Image:
    """Cover a quarter of the image by bars of a twelfth of its width."""
    covered, width = image.copy(), image.shape[1]
    bar = max(width // 12, 1)
    for number in range(3):
        left = round((number + random.random()) * width / 3) - bar // 2
        covered[:, max(left, 0) : left + bar] = GREY
    return covered


def _matrix(name: str, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return the (2, 3) map of points of the original into the shifted image."""
    import cv2

    center = (size[0] / 2, size[1] / 2)
    if name == "rotation":
        return np.asarray(cv2.getRotationMatrix2D(center, DEGREES, 1.0), np.float64)
    return np.asarray(cv2.getRotationMatrix2D(center, 0.0, SCALES[name]), np.float64)


def _warp(name: str) -> Callable[[Image, np.random.Generator], Image]:
    def warped(image: Image, random: np.random.Generator) -> Image:
        import cv2

        height, width = image.shape[:2]
        method = cv2.INTER_AREA if name == "small" else cv2.INTER_LINEAR
        if name == "small":  # not by warpAffine, which takes too few pixels
            scale = SCALES[name]
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=method)
            canvas = np.full_like(image, GREY)
            top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
            canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
            return canvas
        border = (GREY, GREY, GREY)
        matrix = _matrix(name, (width, height))
        shifted = cv2.warpAffine(image, matrix, (width, height), flags=method, borderValue=border)
        return np.asarray(shifted, np.uint8)

    return warped


SHIFTS: Mapping[str, Callable[[Image, np.random.Generator], Image]] = MappingProxyType(
    {
        "none": lambda image, random: image,
        "blur": _blur,
        "dark": _dark,
        "noise": _noise,
        "small": _warp("small"),
        "rotation": _warp("rotation"),
        "occlusion": _occlusion,
        "motion blur": _motion,
        "haze": _haze,
        "compression": _compression,
        "large": _warp("large"),
    }
)
CHOSEN_ON = ("motion blur", "haze", "compression", "large")  # what the correction was chosen on
REPORTED = ("none", "blur", "dark", "noise", "small", "rotation", "occlusion")


def shifted_image(name: str, image: Image, seed: int) -> Image:
    """Return a BGR image as the shifted camera would give it; the seed decides everything."""
    return SHIFTS[name](image, np.random.default_rng(seed))


def shifted_persons(name: str, people: Persons, size: tuple[int, int]) -> Persons:
    """Return the people as they stand on the shifted image of that (width, height)."""
    if name in SCALES:
        matrix = _matrix(name, size)
        scale = float(matrix[0, 0])
        return _moved(_cut(people, matrix, size), matrix, scale**2)
    if name == "rotation":
        matrix = _matrix(name, size)
        moved = _moved(people, matrix, 1.0)
        inside = ((moved.keypoints >= 0) & (moved.keypoints < np.array(size))).all(axis=2)
        visible = moved.visible & inside
        return replace(
            moved,
            visible=visible,
            occluded=moved.occluded & inside,
            ignore=moved.ignore | ~visible.any(axis=1),
        )
    return people


def _cut(people: Persons, matrix: npt.NDArray[np.float64], size: tuple[int, int]) -> Persons:
    """Return who is left, in the coordinates of the original."""
    scale, offset = (matrix[0, 0], matrix[1, 1]), (matrix[0, 2], matrix[1, 2])
    return persons_in_augmentation(Augmentation(0, scale, offset), people, size)


def _moved(people: Persons, matrix: npt.NDArray[np.float64], area: float) -> Persons:
    corners = people.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    corners = corners @ matrix[:, :2].T + matrix[:, 2]
    return replace(
        people,
        keypoints=people.keypoints @ matrix[:, :2].T + matrix[:, 2],
        areas=people.areas * area,
        boxes=np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1),
    )
