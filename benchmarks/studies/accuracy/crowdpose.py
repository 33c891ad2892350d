"""COCO's people and poses on CrowdPose's 14 joints: a stand-in for CrowdPose, not CrowdPose.

Twelve joints are the same. COCO has neither neck nor top of the head: the neck is the middle of the
shoulders, and the head lies 1.6 times as far from the neck as the nose, in the same direction. Both
are known where the joints that they come from are, and their score is the lowest of those. Areas
stay COCO's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.ground_truth import GroundTruth, Persons
from rcnet_rt.datasets.results import Entry, keypoint_values
from rcnet_rt.poses.skeletons import COCO17, CROWDPOSE14_TORSO

__all__ = ["as_crowdpose"]

Floats = npt.NDArray[np.float64]

SHARED = [COCO17.keypoints.index(name) for name in CROWDPOSE14_TORSO.keypoints[:12]]
NOSE, LEFT, RIGHT = (
    COCO17.keypoints.index(name) for name in ("nose", "left_shoulder", "right_shoulder")
)
HEAD = 1.6  # distance of the top of the head from the neck, in distances of the nose


def as_crowdpose(truth: GroundTruth, entries: Sequence[Entry]) -> tuple[GroundTruth, list[Entry]]:
    """Return people and results on CrowdPose's joints."""
    persons = {image: _mapped(people) for image, people in truth.persons.items()}
    joints = _joints(keypoint_values(entries, COCO17))
    mapped = [
        entry | {"keypoints": values.ravel().tolist()}
        for entry, values in zip(entries, joints, strict=True)
    ]
    return replace(truth, skeleton=CROWDPOSE14_TORSO, persons=persons), mapped


def _mapped(people: Persons) -> Persons:
    joints = _joints(np.concatenate([people.keypoints, people.visible[..., None]], axis=2))
    visible = joints[..., 2] > 0
    return replace(
        people,
        keypoints=joints[..., :2],
        visible=visible,
        ignore=people.ignore | ~visible.any(axis=1),
    )


def _joints(coco: Floats) -> Floats:
    """(N, 17, 3) x, y and score or visibility of COCO's joints -> (N, 14, 3)."""
    neck = (coco[:, LEFT, :2] + coco[:, RIGHT, :2]) / 2
    head = neck + HEAD * (coco[:, NOSE, :2] - neck)
    known_neck = coco[:, [LEFT, RIGHT], 2].min(axis=1)
    known_head = np.minimum(known_neck, coco[:, NOSE, 2])
    joints = np.zeros((len(coco), 14, 3))
    joints[:, :12] = coco[:, SHARED]
    for joint, place, known in ((12, head, known_head), (13, neck, known_neck)):
        joints[:, joint, :2] = np.where(known[:, None] > 0, place, 0)
        joints[:, joint, 2] = known
    return joints
