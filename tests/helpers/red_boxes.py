"""Images of red boxes, and an estimator that finds each box and, at random, people who are not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17

__all__ = ["RedBoxes", "images_of_boxes", "is_red", "write_images_of_boxes"]

RED = 60  # how far red is above blue, whatever the light
JOINTS = np.random.default_rng(0).random((17, 2))  # where the joints are in a box


def images_of_boxes(count: int, size: tuple[int, int] = (320, 240)) -> list[Image]:
    """Return images of two red boxes each."""
    rng = np.random.default_rng(1)
    images = []
    for _ in range(count):
        image = np.full((size[1], size[0], 3), 90, np.uint8)
        for left in (0, size[0] // 2):
            x, y = left + rng.integers(10, 60), rng.integers(10, 80)
            image[y : y + 90, x : x + 60] = (0, 0, 255)
        images.append(image)
    return images


def write_images_of_boxes(folder: Path, count: int) -> Path:
    """Write such images into a new folder, and return it."""
    folder.mkdir()
    for number, image in enumerate(images_of_boxes(count)):
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return folder


def is_red(image: Image, poses: Poses) -> list[bool]:
    """Return whether each pose is on a box."""
    x, y = poses.keypoints.mean(axis=1).round().astype(int).T
    inside = image[np.clip(y, 0, image.shape[0] - 1), np.clip(x, 0, image.shape[1] - 1)]
    return (inside[:, 2].astype(int) - inside[:, 0] > RED).tolist()


class RedBoxes:
    """Its scores say nothing; its joint scores, and that boxes are found again, do."""

    name, family, skeleton = "red boxes", "yolo-pose", COCO17

    def estimate(self, image_bgr: Image) -> Poses:
        """Return a pose of each red box, and three somewhere else for each image anew."""
        red = image_bgr[..., 2].astype(int) - image_bgr[..., 0] > RED
        count, _, boxes, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        rng = np.random.default_rng(int(image_bgr.sum()))
        real = boxes[1:count, :4].astype(float)
        size = np.array(image_bgr.shape[1::-1])
        invented = np.concatenate([rng.random((3, 2)) * (size - 70), np.full((3, 2), 60.0)], axis=1)
        corners = np.concatenate([real, invented])
        keypoints = corners[:, None, :2] + JOINTS * corners[:, None, 2:]
        confidence = np.concatenate(
            [rng.uniform(0.5, 1, (len(real), 17)), rng.uniform(0.2, 0.8, (3, 17))]
        )
        boxes = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1)
        return Poses(keypoints, rng.uniform(0.3, 0.9, len(corners)), confidence, boxes)
