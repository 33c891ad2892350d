"""What happens to a camera, done to its images: blur, darkness, tilt, occlusion, lost color."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from rcnet_rt.poses.frame import Image

__all__ = ["FROZEN", "MAIN", "NONE", "OTHER_MODEL", "SHIFTS"]

NONE, FROZEN, OTHER_MODEL = "none", "frozen image", "another model"
MAIN = ("blur", "darkness", "tilt", "occlusion", FROZEN, OTHER_MODEL)  # on all clips


def blurred(image: Image, sigma: float) -> Image:
    """Return the image out of focus: a Gaussian blur of that many pixels in an image 1,000 high."""
    sigma = sigma * len(image) / 1000
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def darker(image: Image, share: float) -> Image:
    """Return the image with that share of its brightness."""
    return np.asarray(cv2.convertScaleAbs(image, alpha=share), np.uint8)


def tilted(image: Image, degrees: float) -> Image:
    """Return the image turned about its center; the corners show its mirror image."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    turned = cv2.warpAffine(
        image,
        turn,
        (width, height),
        flags=cv2.INTER_LANCZOS4,  # as sharp as before
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(turned, np.uint8)


def occluded(image: Image, share: float) -> Image:
    """Return the image with something dark before that share of its width, from the left."""
    covered = image.copy()
    covered[:, : round(share * image.shape[1])] = 40
    return covered


def colorless(image: Image) -> Image:
    """Return the image as a camera shows it that has changed to infrared."""
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), np.uint8)


SHIFTS: dict[str, Callable[[Image], Image]] = {
    NONE: lambda image: image,
    "blur": partial(blurred, sigma=4.0),
    "darkness": partial(darker, share=0.35),
    "tilt": partial(tilted, degrees=15.0),
    "occlusion": partial(occluded, share=0.4),
    "lost color": colorless,
    "mild blur": partial(blurred, sigma=1.5),
    "mild darkness": partial(darker, share=0.7),
    "mild tilt": partial(tilted, degrees=7.0),
    "mild occlusion": partial(occluded, share=0.2),
}
