"""What the output of a YOLO-Pose network holds."""

from __future__ import annotations

from dataclasses import dataclass

from rcnet_rt.errors import EstimatorError
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["Head", "skeleton_of"]


@dataclass(frozen=True)
class Head:
    """The layout of an output, and how images are padded for it.

    Attributes:
        classes: number of classes.
        joints: number of joints of a pose.
        values: of a joint: 2 are x and y, 3 are x, y and confidence.
        end2end: whether the poses are final: rows of corners, score, class and joints. Otherwise
            they are candidates: columns of middle, sides, a score for each class, and joints.
        stride: the sides of an input are multiples of it.
    """

    classes: int = 1
    joints: int = 17
    values: int = 3
    end2end: bool = False
    stride: int = 32

    @property
    def joints_from(self) -> int:
        """Number of values of a pose before those of its joints."""
        return 6 if self.end2end else 4 + self.classes

    def check(self, shape: tuple[int, ...], name: str) -> None:
        """Check the shape of an output.

        Raises:
            EstimatorError: it is of another network.
        """
        length = self.joints_from + self.joints * self.values
        wanted = (1, "N", length) if self.end2end else (1, length, "N")
        if len(shape) != 3 or shape[0] != 1 or shape[2 if self.end2end else 1] != length:
            raise EstimatorError(
                f"{name} has an output of shape {shape}, expected ({', '.join(map(str, wanted))}) "
                f"for {self.classes} classes and {self.joints} joints of {self.values} values; "
                "export it again with ultralytics"
            )


def skeleton_of(name: str, joints: int) -> Skeleton:
    """Return the usual skeleton of so many joints.

    Raises:
        EstimatorError: none is known.
    """
    for skeleton in skeletons.with_keypoints(joints):
        return skeleton
    raise EstimatorError(
        f"{name} gives {joints} keypoints, for which no skeleton is known; "
        "use a model of people, or register one with rcnet_rt.register_skeleton"
    )
