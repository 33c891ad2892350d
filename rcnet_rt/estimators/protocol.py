"""What an estimator is, and what it may also be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rcnet_rt.poses.frame import Frame, Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton

__all__ = [
    "BatchEstimator",
    "EmbeddingEstimator",
    "Estimator",
    "FrameEstimator",
    "ParallelEstimator",
]


class Estimator(Protocol):
    """Estimates the poses of one image.

    It may have a `score_convention` too, see `rescoring.score_convention`: then weights made for
    another one are refused.
    """

    @property
    def name(self) -> str:
        """What it is called in the header of JSON Lines."""
        ...

    @property
    def family(self) -> str:
        """Name of the weights made for its scores, such as "yolo-pose"."""
        ...

    @property
    def skeleton(self) -> Skeleton:
        """What its keypoints are."""
        ...

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV."""
        ...


@runtime_checkable
class BatchEstimator(Protocol):
    """An estimator that takes several images at once."""

    def estimate_batch(self, images_bgr: Sequence[Image]) -> list[Poses]:
        """Return what `estimate` gives for each image, all of one size, up to rounding."""
        ...


@runtime_checkable
class ParallelEstimator(Protocol):
    """An estimator that several threads may call at once."""

    @property
    def streams(self) -> int:
        """How many images it works on at a time: those that `load` asked for, 1 on a GPU."""
        ...


@runtime_checkable
class FrameEstimator(Protocol):
    """An estimator that needs an image's name and number, as a recording does."""

    def estimate_frame(self, frame: Frame) -> Poses:
        """Return the poses of a frame."""
        ...


@runtime_checkable
class EmbeddingEstimator(Protocol):
    """An estimator that can give features of its network for each pose."""

    def show_embeddings(self) -> None:
        """Give poses their embeddings from now on, where the network's layers are accessible."""
        ...
