"""PoseNet (bottom-up): poses are grown from the strongest joints along offsets between joints.

Source: Papandreou et al., "PersonLab: Person Pose Estimation and Instance Segmentation with a
Bottom-Up, Part-Based, Geometric Embedding Model" (ECCV 2018), sections 3.1 and 3.2. Points are
y, x in pixels of the network's input until the poses are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.network import Floats, Network, fit
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring.score_convention import PRODUCT, UNIT, UNIT_JOINTS, ScoreConvention

__all__ = ["PoseMaps", "PoseNet", "check_maps", "decode"]

JOINTS = len(COCO17.keypoints)
# The tree that poses are grown along: (parent, child) by their numbers in COCO, nose first.
TREE = (
    *((0, 1), (1, 3), (0, 2), (2, 4)),
    *((0, 5), (5, 7), (7, 9), (5, 11), (11, 13), (13, 15)),
    *((0, 6), (6, 8), (8, 10), (6, 12), (12, 14), (14, 16)),
)
STRIDES = (8, 16, 32)  # pixels between the cells of the maps
GREY = 128  # 0 once the pixels are normalised
MIN_SEED_SCORE = 0.3  # of a joint that a pose may be grown from
SAME_JOINT = 20.0  # pixels: nearer joints of one kind are of one person
REFINEMENTS = 2  # times that a joint is moved by the offset of where it is
MIN_POSE_SCORE = 0.05  # the rest share their joints with better poses
MAX_POSES = 20


class PoseNet:
    """PoseNet with a MobileNet; the pose score is the mean joint score, without shared joints.

    It gives no boxes, and every joint of a pose is found.

    Args:
        network: with outputs of the maps of `decode`, in this order; the offsets from parents to
            children and from children to parents may be one output or two.
        floor: poses with a lower score are not returned.
    """

    family = "posenet"
    skeleton = COCO17
    score_convention = ScoreConvention(UNIT, UNIT_JOINTS, PRODUCT)

    def __init__(self, network: Network, *, floor: float) -> None:
        self.name = network.name
        self._network, self._floor = network, floor

    def estimate(self, image_bgr: Image) -> Poses:
        """Return the poses in an (H, W, 3) uint8 image, blue first as in OpenCV.

        Raises:
            EstimatorError: the model fails.
        """
        assert self._network.input_size is not None
        size = image_bgr.shape[1], image_bgr.shape[0]
        fitted = fit(image_bgr, self._network.input_size, grey=GREY)
        outputs = self._network.run(fitted.rgb, mean=127.5, std=127.5)
        maps = PoseMaps.of(outputs, self._network.input_size[0])
        joints, scores = decode(maps)
        kept = scores >= self._floor
        return Poses(
            fitted.to_image(joints[kept, :, 1::-1]),
            scores[kept],
            keypoint_scores=joints[kept, :, 2],
            image_size=size,
        )


@dataclass(frozen=True, eq=False)
class PoseMaps:
    """What the network gives at each cell of a grid over its input.

    Attributes:
        scores: (H, W, K) of each joint, in [0, 1].
        offsets: (H, W, 2, K) y, x from the cell to the joint near it, in pixels.
        to_child: (H, W, 2, E) y, x from the parent to the child of each edge of `TREE`.
        to_parent: (H, W, 2, E) the same from the child to the parent.
        stride: pixels between cells.
    """

    scores: Floats
    offsets: Floats
    to_child: Floats
    to_parent: Floats
    stride: float

    @classmethod
    def of(cls, outputs: Sequence[Floats], input_height: int) -> PoseMaps:
        """Return the maps that the outputs of a network for one image hold."""
        logits, offsets, *between = (output[0] for output in outputs)
        rows, columns = logits.shape[:2]
        edges = np.concatenate(between, axis=-1).reshape(rows, columns, 2, 2, len(TREE))
        return cls(
            1 / (1 + np.exp(-logits)),
            offsets.reshape(rows, columns, 2, JOINTS),
            edges[:, :, 0],
            edges[:, :, 1],
            (input_height - 1) / (rows - 1),
        )

    def cell(self, point: Floats) -> tuple[int, int]:
        """Return the row and the column of the cell nearest to a point."""
        rows, columns = self.scores.shape[:2]
        row, column = np.round(point / self.stride).astype(int).tolist()
        return min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)

    def joint(self, cell: tuple[int, int], joint: int) -> Floats:
        """Return where the joint near a cell is, (2,) y, x."""
        row, column = cell
        corner = np.array(cell, np.float32) * np.float32(self.stride)
        return corner + self.offsets[row, column, :, joint]

    def score(self, cell: tuple[int, int], joint: int) -> float:
        """Return the score of a joint at a cell."""
        row, column = cell
        return float(self.scores[row, column, joint])


def check_maps(
    name: str,
    input_size: tuple[int, int],
    shapes: Sequence[tuple[int, ...]],
    output_names: Sequence[str],
) -> None:
    """Check that the outputs of a network are maps that `decode` reads rightly.

    Args:
        name: of the network.
        input_size: (height, width).
        shapes: (1, H, W, channels) of its outputs.
        output_names: of its outputs; those of an unchanged model tell the backbone.

    Raises:
        EstimatorError: the cells are not at a known stride from the first to the last pixel, or the
            backbone is a ResNet, which takes pixels in another range.
    """
    if any("resnet" in output.lower() for output in output_names):
        raise EstimatorError(
            f"{name} is PoseNet with a ResNet, which takes pixels less the mean of ImageNet, and "
            "PoseNet is read with a MobileNet alone; choose a model with a MobileNet"
        )
    grids = {shape[1:3] for shape in shapes}
    height, width = input_size
    known = {((height - 1) / stride + 1, (width - 1) / stride + 1) for stride in STRIDES}
    if len(grids) > 1 or not grids <= known:
        raise EstimatorError(
            f"{name} has maps of {' and '.join(map(str, sorted(grids)))} cells for an input of "
            f"{input_size}; expected cells at a stride of 8, 16 or 32 pixels from the first pixel "
            "to the last, as (31, 41) for (481, 641): choose such a model"
        )


def decode(maps: PoseMaps) -> tuple[Floats, Floats]:
    """Return the poses of one image: (N, K, 3) y, x and score of their joints, (N,) pose scores."""
    poses: list[Floats] = []
    scores: list[float] = []
    for seed_score, joint, cell in _seeds(maps.scores):
        seed = maps.joint(cell, joint)
        if _taken(poses, joint, seed):
            continue
        pose = _grow(maps, joint, np.array([*seed, seed_score], np.float32))
        own = [k for k in range(JOINTS) if not _taken(poses, k, pose[k, :2])]
        score = float(pose[own, 2].sum()) / JOINTS
        if score >= MIN_POSE_SCORE:
            poses.append(pose)
            scores.append(score)
        if len(poses) == MAX_POSES:
            break
    joints = np.stack(poses) if poses else np.zeros((0, JOINTS, 3), np.float32)
    return joints, np.array(scores, np.float32)


def _seeds(scores: Floats) -> Iterator[tuple[float, int, tuple[int, int]]]:
    """Give score, joint and cell of the joints' local maxima, the highest first."""
    highest = cv2.dilate(scores, np.ones((3, 3), np.uint8))
    rows, columns, joints = np.nonzero((scores == highest) & (scores > MIN_SEED_SCORE))
    values = scores[rows, columns, joints]
    for i in np.lexsort((columns, rows, joints, values))[::-1]:
        yield float(values[i]), int(joints[i]), (int(rows[i]), int(columns[i]))


def _taken(poses: Sequence[Floats], joint: int, point: Floats) -> bool:
    """Whether a pose has this joint at a point."""
    return any(((pose[joint, :2] - point) ** 2).sum() <= SAME_JOINT**2 for pose in poses)


def _grow(maps: PoseMaps, seed: int, found: Floats) -> Floats:
    """Return the (K, 3) pose with a joint: up the tree from it to the root, then down."""
    pose = np.full((JOINTS, 3), np.nan, np.float32)
    pose[seed] = found
    edges = list(enumerate(TREE))
    steps = [(child, parent, maps.to_parent[..., e]) for e, (parent, child) in reversed(edges)]
    steps += [(parent, child, maps.to_child[..., e]) for e, (parent, child) in edges]
    for source, target, displacement in steps:
        if np.isnan(pose[target, 2]) and not np.isnan(pose[source, 2]):
            pose[target] = _follow(maps, pose[source, :2], displacement, target)
    return pose


def _follow(maps: PoseMaps, start: Floats, displacement: Floats, target: int) -> Floats:
    """Return (3,) y, x and score of a joint, from a joint next to it in the tree."""
    point = start + displacement[maps.cell(start)]
    for _ in range(REFINEMENTS):
        point = maps.joint(maps.cell(point), target)
    return np.array([*point, maps.score(maps.cell(point), target)], np.float32)
