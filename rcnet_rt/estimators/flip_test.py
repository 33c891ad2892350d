"""Flip test: estimate the mirror image too, and see which poses are found again.

The agreement of position and score is an input of the refiner, as that of a recheck. Keypoints stay
those of the image itself. It costs a second inference an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.protocol import BatchEstimator, Estimator
from rcnet_rt.estimators.recheck import agreement
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.mirror import mirror
from rcnet_rt.poses.poses import Poses

__all__ = ["FlipTest"]


class FlipTest:
    """An estimator whose poses have the `agreement` with those of the mirror image.

    Args:
        estimator: for the image and its mirror image; several threads may use this one if they
            may use that one.
    """

    def __init__(self, estimator: Estimator) -> None:
        self.name, self.family = estimator.name, estimator.family
        self.skeleton = estimator.skeleton
        self.score_convention = getattr(estimator, "score_convention", None)
        self._estimator = estimator

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: the estimator fails, or gives no boxes.
        """
        poses = self._estimator.estimate(image_bgr)
        return self._compared(poses, self._estimator.estimate(_mirrored(image_bgr)), image_bgr)

    def estimate_batch(self, images_bgr: Sequence[Image]) -> list[Poses]:
        """Return what `estimate` gives for each image, all of one size, up to rounding.

        Raises:
            EstimatorError: the estimator fails, gives no boxes, or takes one image at a time.
        """
        if not isinstance(self._estimator, BatchEstimator):
            raise EstimatorError(f"{self.name} takes one image at a time; leave out --batch")
        found = self._estimator.estimate_batch(images_bgr)
        again = self._estimator.estimate_batch([_mirrored(image) for image in images_bgr])
        return list(map(self._compared, found, again, images_bgr))

    def _compared(self, poses: Poses, again: Poses, image: Image) -> Poses:
        if len(poses) and poses.boxes is None:
            raise EstimatorError(
                f"{self.name} gives no boxes, which a flip test needs; leave --flip-test out"
            )
        back = mirror(again, self.skeleton, image.shape[1])
        return replace(poses, agreement=agreement(poses, back, self.skeleton))


def _mirrored(image: Image) -> Image:
    return np.ascontiguousarray(image[:, ::-1])
