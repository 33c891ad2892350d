"""Outputs of YOLO-Pose in shares of the input, as exports to TFLite have had them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rcnet_rt.estimators.network import Floats, Network
from rcnet_rt.estimators.yolo.letterbox import GREY
from rcnet_rt.poses.frame import Image

__all__ = ["in_pixels"]

MAX_SHARE = 4.0  # coordinates that are nowhere beyond are shares of the input, not pixels


def in_pixels(network: Network) -> Network:
    """Return a network whose candidates are in pixels of its input; it runs once.

    Some exports give boxes, or boxes and joints, in shares of the input.

    Raises:
        EstimatorError: the network fails.
    """
    assert network.input_size is not None
    (output,) = network.run(np.full((*network.input_size, 3), GREY, np.uint8), std=255)
    units = _units(output[0], network.input_size)
    return network if (units == 1).all() else _Scaled(network, units)


@dataclass(frozen=True, eq=False)
class _Scaled:
    """A network whose only output is multiplied by (C, 1) factors."""

    network: Network
    units: Floats

    @property
    def name(self) -> str:
        return self.network.name

    @property
    def streams(self) -> int:
        return self.network.streams

    @property
    def input_size(self) -> tuple[int, int] | None:
        return self.network.input_size

    def run(self, image_rgb: Image, *, mean: float = 0.0, std: float = 1.0) -> list[Floats]:
        (output,) = self.network.run(image_rgb, mean=mean, std=std)
        return [output * self.units]


def _units(candidates: Floats, size: tuple[int, int]) -> Floats:
    """Return the (C, 1) factors that make (C, N) candidates of one class pixels."""
    units = np.ones((len(candidates), 1), np.float32)
    for x_rows in (slice(0, 4, 2), slice(5, None, 3)):
        y_rows = slice(x_rows.start + 1, x_rows.stop, x_rows.step)
        shares = max(np.abs(candidates[x_rows]).max(), np.abs(candidates[y_rows]).max())
        if shares <= MAX_SHARE:
            units[x_rows], units[y_rows] = size[1], size[0]
    return units
