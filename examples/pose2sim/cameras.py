"""Calibrated cameras from a Qualisys file (`.qca.txt`), as Pose2Sim's demonstrations have them.

Lens distortion is left out: on those clips it changes the median reprojection error by less than
0.05 pixels.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

SUBPIXELS = 64.0  # lengths of the intrinsics are in 1/64 pixel
FLIP = np.diag([1.0, -1.0, -1.0])  # Qualisys's cameras look along -z, images have y downwards


def read_qualisys(path: Path) -> np.ndarray:
    """Return the (C, 3, 4) projection matrices from millimeters to pixels, in the file's order."""
    cameras = ElementTree.parse(path).getroot().iter("camera")
    return np.stack([_projection(camera) for camera in cameras])


def _projection(camera: ElementTree.Element) -> np.ndarray:
    intrinsic, transform = camera.find("intrinsic"), camera.find("transform")
    if intrinsic is None or transform is None:
        raise ValueError(f"camera {camera.get('serial')} has no intrinsic or no transform")
    focal_u, focal_v, center_u, center_v = (
        float(intrinsic.get(name, "nan")) / SUBPIXELS
        for name in ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
    )
    matrix = np.array([[focal_u, 0, center_u], [0, focal_v, center_v], [0, 0, 1]])
    names = [[f"r{row}{column}" for column in (1, 2, 3)] for row in (1, 2, 3)]
    to_camera = np.array([[float(transform.get(name, "nan")) for name in row] for row in names])
    position = np.array([float(transform.get(axis, "nan")) for axis in "xyz"])
    rotation = FLIP @ to_camera
    return matrix @ np.column_stack([rotation, -rotation @ position])
