"""OpenPose folders: one JSON file a frame, `{"people": [{"pose_keypoints_2d": [x, y, c, …]}]}`.

What `--write_json` writes, and whoever imitates it. BODY_25 and the 18-joint COCO model become the
17 joints of COCO; neck, mid hip and feet stay in the file and are not scored. The format has no
score of a person: where there is none, the mean of the joints' confidences stands in, 0 for a joint
that was not found. Refining adds `score` to each person and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.files import read_json, write_json
from rcnet_rt.errors import DatasetError, OutputError
from rcnet_rt.files.writing import atomic_folder
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17, Skeleton

__all__ = ["OpenPoseFolder", "read_openpose"]

SUFFIX = "_keypoints"  # of OpenPose's file names

# COCO's 17 joints, in their order, as indices into OpenPose's (its doc/02_output.md).
TO_COCO = {
    25: (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11),
    18: (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10),
}


@dataclass(frozen=True, eq=False)
class OpenPoseFolder:
    """A folder as it stands, and the poses of its frames.

    Attributes:
        contents: what each file holds, by its name, in the order of the frames.
        images: poses of each file.
        skeleton: COCO's 17 joints.
    """

    contents: dict[str, dict[str, Any]]
    images: list[Poses]
    skeleton: Skeleton = COCO17
    kind = "an OpenPose folder"
    every_frame = True

    @property
    def names(self) -> list[str]:
        """Names of the images, without suffix: `a` for `a_keypoints.json`."""
        return [Path(name).stem.removesuffix(SUFFIX) for name in self.contents]

    def write(self, path: Path, refined: Sequence[Poses], threshold: float, weights: str) -> None:
        """Write the folder anew with a `score` for each person, whole or not at all.

        Raises:
            OutputError: the folder is there already, or cannot be written.
        """
        if path.exists():
            raise OutputError(f"{path} is there already; give --out a folder that is new")
        with atomic_folder(path) as folder:
            for (name, content), poses in zip(self.contents.items(), refined, strict=True):
                scored = zip(content["people"], poses.scores.tolist(), strict=True)
                people = [{**person, "score": score} for person, score in scored]
                write_json(folder / name, {**content, "people": people})


def read_openpose(folder: Path) -> OpenPoseFolder:
    """Read a folder of OpenPose files in the order of their names, which is that of the frames.

    Raises:
        DatasetError: no such files, or damaged ones.
    """
    paths = sorted(folder.glob(f"*{SUFFIX}.json")) or sorted(folder.glob("*.json"))
    if not paths:
        raise DatasetError(f"{folder} holds no OpenPose files (*{SUFFIX}.json)")
    contents, images = {}, []
    for path in paths:
        contents[path.name] = read_json(path)
        try:
            images.append(_poses(contents[path.name]["people"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{path} is no OpenPose file ({type(error).__name__}: {error}); expected people "
                "with pose_keypoints_2d of 25 or 18 joints"
            ) from error
    return OpenPoseFolder(contents, images)


def _poses(people: list[dict[str, Any]]) -> Poses:
    if not people:
        return Poses.empty(17)
    values = np.stack([_joints(person["pose_keypoints_2d"]) for person in people])
    given = [person.get("score") for person in people]
    mean = [float(np.mean(person["pose_keypoints_2d"][2::3] or 0)) for person in people]
    missing = (values == 0).all(axis=2, keepdims=True)
    return Poses(
        np.where(missing, np.float32(np.nan), values[:, :, :2]),
        np.array(mean if None in given else given),
        keypoint_scores=values[:, :, 2],
        track_ids=_tracks(people),
    )


def _joints(numbers: list[float]) -> npt.NDArray[np.float32]:
    """(17, 3) of one person; a person of whom only the face or a hand was found has none."""
    if not numbers:
        return np.zeros((17, 3), np.float32)
    joints = np.array(numbers, dtype=np.float32).reshape(-1, 3)
    if len(joints) not in TO_COCO:
        raise ValueError(f"{len(joints)} joints")
    return joints[list(TO_COCO[len(joints)])]


def _tracks(people: list[dict[str, Any]]) -> npt.NDArray[np.int64] | None:
    """`person_id`, a list of one number that is -1 where nobody tracks."""
    ids = np.array([np.ravel(person.get("person_id", -1))[0] for person in people], dtype=np.int64)
    return ids if (ids >= 0).all() else None
