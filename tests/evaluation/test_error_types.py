from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.datasets.coco import Persons, load_ground_truth
from rcnet_rt.datasets.results import poses_by_image, read_results
from rcnet_rt.evaluation.error_types import TYPES, error_types
from rcnet_rt.poses.skeletons import COCO17

AREA = 10_000.0
FLIPPED = list(COCO17.flip_order)


def standing(x: float) -> np.ndarray:
    """Somebody at x whose joints are far from each other and from their mirrors."""
    column = np.array([0, 1, -1, 1.5, -1.5, *([1, -1] * 6)]) * 60
    row = np.array([0, -20, -20, 0, 0, *np.repeat(np.arange(1, 7), 2) * 100])
    return np.column_stack([x + column, 300 + row])


def people(*keypoints: np.ndarray, crowd: tuple[int, ...] = ()) -> Persons:
    count = len(keypoints)
    iscrowd = np.isin(np.arange(count), crowd)
    return Persons(
        keypoints=np.array(keypoints).reshape(count, 17, 2),
        visible=np.ones((count, 17), dtype=bool) & ~iscrowd[:, None],
        occluded=np.zeros((count, 17), dtype=bool),
        areas=np.full(count, AREA),
        boxes=np.array([[*k.min(0), *k.max(0)] for k in keypoints]).reshape(count, 4),
        iscrowd=iscrowd,
        ignore=iscrowd.copy(),
        annotation_ids=np.arange(count),
    )


def distances(similarity: float) -> np.ndarray:
    """How far each joint must be off to have that similarity."""
    return np.sqrt(-2 * np.log(similarity) * AREA) * 2 * np.array(COCO17.sigmas)


def kinds(poses: list[np.ndarray], persons: Persons, at_oks: float = 0.75) -> list[str]:
    return error_types(np.array(poses).reshape(-1, 17, 2), persons, COCO17, at_oks).tolist()


def test_right_and_background() -> None:
    somebody = standing(500)
    assert kinds([somebody, standing(3000)], people(somebody)) == ["correct", "background"]


def test_the_second_pose_of_a_person_is_a_duplicate_however_good() -> None:
    somebody = standing(500)
    poses = [somebody + 1, somebody, somebody + 15]
    assert kinds(poses, people(somebody)) == [
        "duplicate", "correct", "duplicate",
    ]  # fmt: skip


def test_jitter_is_near_its_place() -> None:
    somebody = standing(500)
    off = somebody + np.column_stack([distances(0.6), np.zeros(17)])
    persons = people(somebody)
    assert kinds([off], persons) == ["jitter"]
    assert kinds([off], persons, at_oks=0.55) == ["correct"]


def test_left_and_right_confused_is_an_inversion() -> None:
    somebody = standing(500)
    mirrored = somebody.copy()
    mirrored[5:] = somebody[FLIPPED][5:]  # the head as it is
    assert kinds([mirrored], people(somebody)) == ["inversion"]


@pytest.mark.parametrize("order", [list(range(17)), FLIPPED])
def test_joints_of_somebody_else_are_a_swap(order: list[int]) -> None:
    somebody, other = standing(500), standing(1500)
    mixed = somebody.copy()
    mixed[11:] = other[order][11:]
    persons = people(somebody, other)
    assert kinds([mixed, other], persons) == ["swap", "correct"]


def test_joints_that_are_nowhere_are_missed_and_so_are_those_not_found() -> None:
    somebody = standing(500)
    far, lost = somebody.copy(), somebody.copy()
    far[9:] += 5000
    lost[9:] = np.nan
    for pose in (far, lost):
        assert kinds([pose], people(somebody)) == ["miss"]


def test_the_kind_that_costs_most_names_the_pose() -> None:
    somebody, other = standing(500), standing(1500)
    pose = somebody + np.column_stack([distances(0.8), np.zeros(17)])  # a little everywhere
    pose[12:] = other[12:]
    pose[5] += 5000
    assert kinds([pose, other], people(somebody, other)) == ["swap", "correct"]


def test_joints_without_a_label_cost_nothing() -> None:
    somebody, other = standing(500), standing(1500)
    persons = people(somebody, other)
    visible = persons.visible.copy()
    visible[0, 11:] = False
    pose = somebody + np.column_stack([distances(0.6), np.zeros(17)])
    pose[11:] = other[11:]
    assert kinds([pose, other], replace(persons, visible=visible)) == ["jitter", "correct"]


def test_a_pose_on_a_crowd_is_not_counted() -> None:
    somebody = standing(500)
    assert kinds([somebody + 3, standing(3000)], people(somebody, crowd=(0,))) == [
        "ignored", "background",
    ]  # fmt: skip


def test_nobody_and_nothing() -> None:
    assert kinds([standing(0)], people()) == ["background"]
    assert kinds([], people(standing(0))) == []


def test_real_poses_are_mostly_what_one_expects(shared_data: Path) -> None:
    entries = read_results(shared_data / "predictions" / "lightweight-openpose_val2017.json.gz")
    truth = load_ground_truth(shared_data / "coco", "val2017")
    found = np.concatenate(
        [
            error_types(item.poses.keypoints, truth.persons[image], COCO17)
            for image, item in poses_by_image(entries, COCO17).items()
            if image in truth.images
        ]
    )
    count = {kind: int((found == kind).sum()) for kind in TYPES}
    assert sum(count.values()) == len(entries)
    # This estimator leaves joints out, which makes misses, and has few duplicates.
    assert count["miss"] > 20 * (count["swap"] + count["inversion"] + count["jitter"])
    assert count["correct"] > count["background"] > count["duplicate"] > 0
