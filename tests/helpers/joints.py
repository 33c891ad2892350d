"""A refiner that adds fixed joint estimates, whatever weights it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from rcnet_rt import Poses, Refiner

SHAPE = np.array([[4.0, 1.0], [1.0, 2.0]], np.float32)  # of every ellipse, in square pixels


def with_joint_estimates(poses: Poses) -> Poses:
    """Return poses whose joints have confidences from 0.9, the first, to 0.1, the last."""
    found = poses.found
    confidence = np.linspace(0.9, 0.1, found.shape[1], dtype=np.float32) * found
    scale = 1 + np.arange(found.shape[1], dtype=np.float32)
    covariance = np.where(found[..., None, None], scale[:, None, None] * SHAPE, np.float32(np.nan))
    return replace(poses, joint_confidence=confidence, joint_covariance=covariance)


class JointRefiner(Refiner):
    """A refiner whose poses come with `with_joint_estimates`."""

    def __call__(self, poses: Poses, **rules: Any) -> Poses:
        """Refine one image."""
        return with_joint_estimates(super().__call__(poses, **rules))

    def stream(self, images: Iterable[Poses], **rules: Any) -> Iterator[Poses]:
        """Refine many images."""
        return map(with_joint_estimates, super().stream(images, **rules))
