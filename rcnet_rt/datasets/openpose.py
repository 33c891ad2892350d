"""OpenPose folders: one JSON file a frame, `{"people": [{"pose_keypoints_2d": [x, y, c, …]}]}`.

What `--write_json` writes, and its imitators. Joints become the 17 of COCO; neck, mid hip and feet
stay in the file and are not scored. The format has no score of a person: where there is none, the
mean confidence of the joints is taken, 0 for a joint that was not found. Refining adds `score` to
each person; where the refined poses have a calibrated joint confidence it also replaces c.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.files import read_exact_json, write_json
from rcnet_rt.datasets.openpose_layouts import LAYOUTS, Layout, choose_layout
from rcnet_rt.errors import DatasetError, OutputError
from rcnet_rt.files.writing import atomic_folder
from rcnet_rt.poses.adapters import found_joints
from rcnet_rt.poses.arrays import float32_of
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.selection import joint_confidence
from rcnet_rt.poses.skeletons import COCO17, Skeleton

__all__ = [
    "SUFFIX",
    "OpenPoseFolder",
    "OpenPoseFrame",
    "people_of",
    "read_openpose",
    "stream_openpose",
    "write_openpose",
]

SUFFIX = "_keypoints"  # of OpenPose's file names
MAX_SAMPLE = 10_000  # people
# What OpenPose itself writes; of face, hands and 3D only the keys, mostly.
OTHER_JOINTS = tuple(
    f"{part}_keypoints_{dimensions}"
    for part in ("pose", "face", "hand_left", "hand_right")
    for dimensions in ("2d", "3d")
    if (part, dimensions) != ("pose", "2d")
)
KNOWN_KEYS = {"version", "people", "person_id", "pose_keypoints_2d", "score", *OTHER_JOINTS}

Person = dict[str, Any]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class OpenPoseFolder:
    """A folder as it stands, and the poses of its frames.

    Attributes:
        contents: what each file holds, by its name, in the order of the frames.
        images: poses of each file.
        layouts: the orders of joints that its people have, by the number of joints.
        skeleton: COCO's 17 joints.
    """

    contents: dict[str, dict[str, Any]]
    images: list[Poses]
    layouts: dict[int, Layout]
    skeleton: Skeleton = COCO17
    kind = "an OpenPose folder"
    every_frame = True

    @property
    def names(self) -> list[str]:
        """Names of the images, without suffix: `a` for `a_keypoints.json`."""
        return [Path(name).stem.removesuffix(SUFFIX) for name in self.contents]

    def write(self, path: Path, refined: Sequence[Poses], threshold: float, weights: str) -> None:
        """Write the folder anew with a `score` for each person, whole or not at all.

        The calibrated confidence of joints, where the refined poses have it, replaces c of COCO's
        17; that of others, such as the neck, stays the estimator's.

        Raises:
            OutputError: the folder exists already, or cannot be written.
        """
        if path.exists():
            raise OutputError(f"{path} is there already; give --out a folder that is new")
        with atomic_folder(path) as folder:
            for (name, content), poses in zip(self.contents.items(), refined, strict=True):
                people = [
                    self._refined(person, pose)
                    for person, pose in zip(content["people"], poses, strict=True)
                ]
                write_json(folder / name, {**content, "people": people})

    def _refined(self, person: Person, pose: Poses) -> Person:
        """Return a person with the score, and the confidences, of its refined pose."""
        scored = {**person, "score": float(pose.scores[0])}
        values = person["pose_keypoints_2d"]
        if pose.joint_confidence is None or not values:
            return scored
        values = list(values)
        layout = self.layouts[len(values) // 3]
        for joint, confidence in zip(layout.coco, pose.joint_confidence[0].tolist(), strict=True):
            values[3 * joint + 2] = confidence
        return {**scored, "pose_keypoints_2d": values}


def write_openpose(folder: Path, frames: Iterable[Poses], stem: str) -> None:
    """Write a new folder of OpenPose files, `<stem>_000000.json` and so on, whole or not at all.

    People have COCO's 17 joints, pose scores as `score`, and as c the calibrated confidence of the
    joint, else the estimator's, else 1; a joint that was not found is 0, 0, 0. That is what
    Pose2Sim and Sports2D read.

    Args:
        folder: a new one; Pose2Sim looks for `<camera>_json`.
        frames: the poses to write of each frame.
        stem: of the file names; Pose2Sim takes the last number in a name for the frame's.

    Raises:
        OutputError: the folder exists already, or cannot be written.
    """
    if folder.exists():
        raise OutputError(f"{folder} is there already; choose a folder that is new")
    with atomic_folder(folder) as new:
        for number, poses in enumerate(frames):
            write_json(new / f"{stem}_{number:06d}.json", people_of(poses))


def people_of(poses: Poses) -> dict[str, Any]:
    """Return what a file of OpenPose holds for a frame; see `write_openpose`."""
    return {"version": 1.3, "people": [_person(pose) for pose in poses]}


def _person(pose: Poses) -> Person:
    found = pose.found[0]
    confidence = joint_confidence(pose)
    values = np.zeros((len(found), 3))
    values[found, :2] = pose.keypoints[0, found]
    values[found, 2] = 1.0 if confidence is None else confidence[0, found]
    track = -1 if pose.track_ids is None else int(pose.track_ids[0])
    return {
        "person_id": [track],
        "pose_keypoints_2d": values.ravel().tolist(),
        "score": float(pose.scores[0]),
    }


@dataclass(frozen=True, eq=False)
class OpenPoseFrame:
    """A file: its name without suffix, its poses, and keys of it that are no part of them."""

    name: str
    poses: Poses
    other_keys: set[str]


def read_openpose(folder: Path, layout: str | None = None) -> OpenPoseFolder:
    """Read a folder of OpenPose files in the natural order of their names.

    Args:
        folder: of the files.
        layout: the order of joints, a name of `openpose_layouts.LAYOUTS` such as "BODY_25B"; by
            default it is told by the number of joints and the length of the limbs.

    Raises:
        DatasetError: no such files, damaged ones, or an unknown order of joints.
    """
    files = {path: _read_file(path) for path in _files(folder)}
    layouts = _layouts([joints for _, _, joints in files.values()], layout)
    images = [_frame(path, people, joints, layouts) for path, (_, people, joints) in files.items()]
    contents = {path.name: content for path, (content, _, _) in files.items()}
    return OpenPoseFolder(contents, images, layouts)


def stream_openpose(folder: Path, layout: str | None = None) -> Iterator[OpenPoseFrame]:
    """Yield the frames of a folder one by one, as `read_openpose` reads them all.

    The order of joints is told by the first files with `MAX_SAMPLE` people.

    Raises:
        DatasetError: no such files, damaged ones, or an unknown order of joints.
    """
    paths = _files(folder)
    sample: list[list[Floats]] = []
    for path in paths:
        if sum(map(len, sample)) >= MAX_SAMPLE:
            break
        sample.append(_read_file(path)[2])
    layouts = _layouts(sample, layout)
    for path in paths:
        content, people, joints = _read_file(path)
        poses = _frame(path, people, joints, layouts)
        keys = set().union(content, *people) - KNOWN_KEYS
        keys.update(_with_values(people, OTHER_JOINTS))
        yield OpenPoseFrame(path.stem.removesuffix(SUFFIX), poses, keys)


def _files(folder: Path) -> list[Path]:
    paths = list(folder.glob(f"*{SUFFIX}.json")) or list(folder.glob("*.json"))
    if not paths:
        raise DatasetError(f"{folder} holds no OpenPose files (*{SUFFIX}.json)")
    return sorted(paths, key=lambda path: _natural(path.name))


def _read_file(path: Path) -> tuple[dict[str, Any], list[Person], list[Floats]]:
    """Return what a file holds, its people, and the (J, 3) joints of each."""
    content = read_exact_json(path)
    try:
        people = content["people"]
        return content, people, [_numbers(person["pose_keypoints_2d"]) for person in people]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _no_openpose(path, error) from error


def _frame(
    path: Path, people: list[Person], joints: list[Floats], layouts: dict[int, Layout]
) -> Poses:
    try:
        return _poses(people, [_coco(values, layouts) for values in joints])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _no_openpose(path, error) from error


def _with_values(people: list[Person], keys: Iterable[str]) -> set[str]:
    return {key for key in keys if any(person.get(key) for person in people)}


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts a_9 before a_10."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _no_openpose(path: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"{path} is no OpenPose file ({type(error).__name__}: {error}); expected people with "
        "pose_keypoints_2d of x, y, confidence for each joint"
    )


def _numbers(values: Sequence[float | None] | None) -> Floats:
    """Return the (J, 3) joints of one person; those with null or NaN were not found: zeros."""
    if any(isinstance(value, (str, bool)) for value in values or ()):
        raise ValueError("a joint is not made of numbers")
    joints = float32_of(values or ()).reshape(-1, 3)
    joints[~np.isfinite(joints).all(axis=1)] = 0
    return joints


def _layouts(frames: Iterable[list[Floats]], name: str | None) -> dict[int, Layout]:
    """Return the order of joints by their number, for all that the folder's people have."""
    by_count: dict[int, list[Floats]] = {}
    for joints in (joints for people in frames for joints in people if len(joints)):
        by_count.setdefault(len(joints), []).append(joints)
    if name is None:
        known = {layout.count for layout in LAYOUTS}
        return {n: choose_layout(people) for n, people in by_count.items() if n in known}
    chosen = {layout.name: layout for layout in LAYOUTS}.get(name)
    if chosen is None:
        names = ", ".join(layout.name for layout in LAYOUTS)
        raise DatasetError(f"unknown order of joints {name!r}; expected one of {names}")
    return {chosen.count: chosen}


def _coco(joints: Floats, layouts: dict[int, Layout]) -> Floats:
    """Return COCO's (17, 3) joints; a person of whom only a face or hand was found has none."""
    if len(joints) == 0:
        return np.zeros((17, 3), np.float32)
    if len(joints) not in layouts:
        expected = ", ".join(str(count) for count in sorted({item.count for item in LAYOUTS}))
        raise ValueError(f"{len(joints)} joints, expected one of {expected}")
    return joints[list(layouts[len(joints)].coco)]


def _poses(people: list[Person], joints: list[Floats]) -> Poses:
    if not people:
        return Poses.empty(17)
    values = np.stack(joints)
    found = found_joints(values)
    return Poses(
        np.where(found[..., None], values[:, :, :2], np.float32(np.nan)),
        float32_of(_scores(people)),
        keypoint_scores=values[:, :, 2],
        track_ids=_tracks(people),
    )


def _scores(people: list[Person]) -> npt.NDArray[np.float64]:
    """Return the people's scores, or the mean confidence of their joints where one has none."""
    given = [person.get("score") for person in people]
    if all(isinstance(score, (int, float)) and math.isfinite(score) for score in given):
        return np.array(given, np.float64)
    confidences = [_numbers(person["pose_keypoints_2d"])[:, 2] for person in people]
    return np.array([values.mean(dtype=np.float64) if len(values) else 0 for values in confidences])


def _tracks(people: list[Person]) -> npt.NDArray[np.int64] | None:
    """Return `person_id`, a list of one number, -1 or absent for a person of no track.

    None where no person of the frame has a track.
    """
    given = [np.ravel(person.get("person_id", -1)) for person in people]
    ids = np.array([values[0] if len(values) else -1 for values in given], dtype=np.int64)
    return np.maximum(ids, -1) if (ids >= 0).any() else None
