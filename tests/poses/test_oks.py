from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rcnet_rt.datasets.coco import GroundTruth, load_ground_truth
from rcnet_rt.datasets.results import read_results
from rcnet_rt.evaluation.average_precision import entry_oks
from rcnet_rt.poses.oks import THRESHOLDS, match, oks, share_of_thresholds
from rcnet_rt.poses.skeletons import COCO17
from tests.helpers.synthetic_coco import (
    make_content,
    make_results,
    pycocotools_judge,
    read_content,
    write_dataset,
)

SIGMAS = COCO17.sigmas


def worst_difference(truth: GroundTruth, content: dict, entries: list[dict]) -> float:
    """Return the largest difference from pycocotools' computeOks, and insist on odd people."""
    judge = pycocotools_judge(content, entries, truth.images)
    judge.params.maxDets = [len(entries)]
    with contextlib.redirect_stdout(io.StringIO()):
        judge._prepare()
    worst, ignored = 0.0, 0
    for image, indices, similarity in entry_oks(truth, entries):
        expected = judge.computeOks(image, 1)
        if len(expected):
            order = np.argsort([-entries[i]["score"] for i in indices], kind="mergesort")
            worst = max(worst, float(np.abs(similarity[order] - expected).max()))
            ignored += int(truth.persons[image].ignore.sum())
    assert ignored > 0, "the comparison must cover crowds and people without joints"
    return worst


def test_equals_pycocotools_on_invented_people(tmp_path: Path) -> None:
    content = make_content()
    truth = load_ground_truth(write_dataset(tmp_path, content))
    assert worst_difference(truth, content, make_results(content)) < 1e-12


@pytest.mark.parametrize("name", ["lightweight-openpose_val2017", "yolov8n-pose_val2017"])
def test_equals_pycocotools_on_real_people(shared_data: Path, name: str) -> None:
    entries = read_results(shared_data / "predictions" / f"{name}.json.gz")
    images = {entry["image_id"] for entry in entries}
    truth = load_ground_truth(shared_data / "coco", "val2017", images)
    content = read_content(shared_data, "val2017", images)
    assert worst_difference(truth, content, entries) < 1e-9


def test_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    poses, people = rng.uniform(0, 100, (4, 17, 2)), rng.uniform(0, 100, (3, 17, 2))
    visible, areas = rng.random((3, 17)) > 0.4, rng.uniform(1000, 9000, 3)
    expected = np.zeros((4, 3))
    for n, g in np.ndindex(4, 3):
        terms = [
            np.exp(
                -((poses[n, k] - people[g, k]) ** 2).sum() / (2 * areas[g] * (2 * SIGMAS[k]) ** 2)
            )
            for k in range(17)
            if visible[g, k]
        ]
        expected[n, g] = np.mean(terms)
    found = oks(poses, people, visible, areas, np.zeros((3, 4)), SIGMAS)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_joint_not_found_is_at_the_origin() -> None:
    rng = np.random.default_rng(2)
    missing = rng.uniform(0, 100, (1, 17, 2))
    missing[0, 3:6] = np.nan
    at_origin = np.nan_to_num(missing)
    person = rng.uniform(0, 100, (1, 17, 2)), np.ones((1, 17)), [5000.0], [[0, 0, 99, 99]]
    assert oks(missing, *person, SIGMAS) == oks(at_origin, *person, SIGMAS)


def test_the_grown_box_of_a_person_without_labels() -> None:
    poses = np.zeros((2, 17, 2))
    poses[0], poses[1] = [19.9, 29.9], [500.0, 500.0]
    unlabeled = np.zeros((1, 17, 2)), np.zeros((1, 17)), [100.0], [[10, 10, 20, 20]]
    found = oks(poses, *unlabeled, SIGMAS)
    assert found[0, 0] == 1
    assert found[1, 0] < 1e-6


@pytest.mark.parametrize(("poses", "people"), [(0, 3), (3, 0), (0, 0)])
def test_nobody(poses: int, people: int) -> None:
    shape = (poses, people)
    person = np.zeros((people, 17, 2)), np.zeros((people, 17)), np.ones(people)
    found = oks(np.zeros((poses, 17, 2)), *person, np.zeros((people, 4)), SIGMAS)
    assert found.shape == shape
    matched = match(found, np.zeros(people, dtype=bool))
    assert len(matched) == poses
    assert (matched.person == -1).all()


def test_duplicates_and_background_get_nothing() -> None:
    matched = match([[0.9, 0.2], [0.95, 0.0], [0.0, 0.0]], [False, False])
    assert matched.person.tolist() == [1, 0, -1]
    assert matched.target.tolist() == [0.2, 0.95, 0.0]
    assert matched.weight.tolist() == [1, 1, 1]


def test_poses_of_people_who_do_not_count_weigh_nothing() -> None:
    similarity = [[0.1, 0.8], [0.7, 0.9], [0.2, 0.3], [0.0, 0.6]]
    matched = match(similarity, [False, True])
    assert matched.weight.tolist() == [0, 1, 1, 0]
    assert matched.person.tolist() == [-1, 0, -1, -1]


def test_the_higher_score_wins_a_tie() -> None:
    same = [[0.8], [0.8]]
    assert match(same, [False]).person.tolist() == [0, -1]
    assert match(same, [False], scores=[0.1, 0.9]).person.tolist() == [-1, 0]


@given(arrays(np.float64, (5, 4), elements=st.floats(0, 1)), arrays(bool, 4))
def test_matching_is_one_to_one_and_greedy(similarity: np.ndarray, ignore: np.ndarray) -> None:
    matched = match(similarity, ignore)
    taken = matched.person[matched.person >= 0]
    assert len(set(taken)) == len(taken)
    assert not ignore[taken].any()
    for row, column in np.argwhere(similarity * ~ignore > 0):
        of_person = matched.target[matched.person == column].max(initial=0)
        assert max(matched.target[row], of_person) >= similarity[row, column]


@given(arrays(np.float64, 6, elements=st.floats(0, 1)))
def test_share_of_thresholds(similarity: np.ndarray) -> None:
    expected = [np.mean([value >= level for level in THRESHOLDS]) for value in similarity]
    np.testing.assert_allclose(share_of_thresholds(similarity), expected)
