"""The shipped `generic` weights: any convention of scores, sensible order, nothing remembered."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcnet_rt import Poses, Refiner, ScoreReference, refine
from rcnet_rt.datasets.results import poses_by_image
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.rescoring.batch import concatenate, pack
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.weights_io import available, load
from rcnet_rt.workflows.rescore import rescore_entries
from tools import generic_weights

GENERIC = Refiner(load(available()["generic"]))
CONVENTIONS = {
    "unit": lambda s: s,
    "percent": lambda s: 100 * s,
    "sum": lambda s: 2000 * s,
    "logit": lambda s: np.log(s / (1 - s)),
    "negative": lambda s: s - 1,
    "above one": lambda s: 1 + s,
}


def some(seed=0, images=30, change=CONVENTIONS["unit"], joints=None):
    """Images of poses with some joints missing; scores a multiple of 0.01, all different."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, images)
    values = np.array_split(rng.permutation(np.linspace(0.01, 0.99, counts.sum())), counts.cumsum())
    result = []
    for count, scores in zip(counts, values, strict=False):
        keypoints = rng.uniform(0, 400, (count, 17, 2))
        keypoint_scores = (
            rng.random((count, 17)) if joints is None else np.full((count, 17), joints)
        )
        if joints is None:
            keypoints[rng.random((count, 17)) < 0.3] = np.nan
        result.append(Poses(keypoints, change(scores), keypoint_scores=keypoint_scores))
    return result


def refined(images, reference=None):
    return np.concatenate([poses.scores for poses in GENERIC.batch(images, reference=reference)])


def raw(images):
    return np.concatenate([poses.scores for poses in images])


def assert_unit(scores):
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("joints", [0.0, 0.73, 1.0])
def test_where_all_joints_are_alike_the_order_is_the_raw_one(convention, scaled, joints):
    images = some(change=CONVENTIONS[convention], joints=joints)
    scores = refined(images, ScoreReference.of(images) if scaled else None)
    assert_unit(scores)
    order = np.argsort(raw(images))
    assert (np.diff(scores[order]) > 0).all()


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_an_increasing_change_of_a_files_scores_changes_nothing(convention):
    plain, changed = some(), some(change=CONVENTIONS[convention])
    expected = refined(plain, ScoreReference.of(plain))
    np.testing.assert_allclose(refined(changed, ScoreReference.of(changed)), expected, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 99), st.lists(st.floats(0.01, 50), min_size=200, max_size=200))
def test_any_increasing_steps_give_the_same_scores(seed, steps):
    """Scores by rank, then any rising numbers in the place of each rank."""
    images = some(seed)
    ends = np.cumsum([len(poses) for poses in images])[:-1]
    rank = np.argsort(np.argsort(raw(images)))
    values = np.split((np.cumsum(steps) - 700)[rank], ends)
    changed = [replace(poses, scores=v) for poses, v in zip(images, values, strict=True)]
    expected = refined(images, ScoreReference.of(images))
    np.testing.assert_allclose(refined(changed, ScoreReference.of(changed)), expected, atol=1e-6)


@pytest.mark.parametrize("scaled", [True, False])
def test_equal_scores_are_told_apart_by_their_joints_alone(scaled):
    images = [replace(poses, scores=np.full(len(poses), 0.4)) for poses in some()]
    scores = refined(images, ScoreReference.of(images) if scaled else None)
    assert_unit(scores)
    found = np.concatenate([(~np.isnan(p.keypoints[..., 0])).sum(1) for p in images])
    assert scores[found >= 14].mean() > scores[found <= 9].mean()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-1e4, 1e4, width=32), max_size=6))
def test_a_frame_by_itself_is_finite_whatever_the_scores(scores):
    keypoints = np.random.default_rng(0).uniform(0, 300, (len(scores), 17, 2))
    assert_unit(GENERIC.refine(keypoints, np.array(scores)))


def test_without_a_scale_a_frame_depends_on_itself_alone_and_one_pose_is_enough():
    (poses,) = some(seed=3, images=1) or [None]
    together = GENERIC(poses).scores
    one_by_one = [GENERIC(poses[[index]]).scores[0] for index in range(len(poses))]
    np.testing.assert_allclose(together, one_by_one, atol=1e-6)


def test_the_doors_take_a_scale_and_agree():
    images = some()
    reference = ScoreReference.of(images)
    poses = max(images, key=len)
    expected = GENERIC(poses, reference=reference).scores
    assert not np.allclose(expected, GENERIC(poses).scores)
    given = {"keypoint_scores": poses.keypoint_scores, "reference": reference}
    arrays = poses.keypoints, poses.scores
    np.testing.assert_allclose(GENERIC.refine(*arrays, **given), expected, atol=1e-6)
    np.testing.assert_allclose(refine(*arrays, weights="generic", **given), expected, atol=1e-6)
    tensors = [torch.tensor(array) for array in arrays]
    given["keypoint_scores"] = torch.tensor(poses.keypoint_scores)
    np.testing.assert_allclose(GENERIC.refine(*tensors, **given).numpy(), expected, atol=1e-5)


def test_weights_of_one_estimator_ignore_the_scale():
    images = some()
    poses = max(images, key=len)
    refiner = Refiner("yolo-pose")
    with_scale = refiner(poses, reference=ScoreReference.of(images)).scores
    np.testing.assert_array_equal(with_scale, refiner(poses).scores)


def test_faulty_poses_follow_their_rule_with_a_scale():
    images = some()
    reference = ScoreReference.of(images)
    poses = max(images, key=len)
    scores = poses.scores.copy()
    scores[0] = np.nan
    given = {"keypoint_scores": poses.keypoint_scores, "reference": reference, "on_error": "drop"}
    got = GENERIC.refine(poses.keypoints, scores, **given)
    assert got[0] == 0
    np.testing.assert_allclose(got[1:], GENERIC(poses, reference=reference).scores[1:], atol=1e-6)


def test_packs_carry_standing_and_echo():
    reference = ScoreReference(np.array([0.0, 1.0]), np.array([4.0, 1.0]), 0.25)
    one = pack(PoseInputs(np.ones((2, 17, 2)), np.array([0.0, 1.0]), reference=reference))
    both = concatenate([one, one])
    assert both.expected_rank.tolist() == pytest.approx([4, 1, 4, 1])
    assert both.joint_correlation == 0.25


def test_the_record_says_what_leaving_groups_out_showed():
    record = GENERIC.weights.training
    assert record["images"]
    for item in record["left_out"]:
        for view, (gain, low, high) in item["gains"].items():
            assert low <= gain <= high
            # A loss of more than 0.1 points is none that is known: its interval contains 0.
            assert gain > -0.001 or high > 0, (item["estimator"], item["convention"], view)
    raw = [item["gains"]["all"][0] for item in record["left_out"] if item["convention"] == "raw"]
    assert len(raw) == 9
    assert record["figures"]["all"] == {"gain": [pytest.approx(np.mean(raw))], "worst": min(raw)}
    assert np.mean(raw) > 0.0035
    assert min(raw) > -0.001


def test_the_card_is_that_of_the_weights():
    path = available()["generic"].with_suffix(".md")
    assert generic_weights.card(GENERIC.weights) == path.read_text("utf-8")


def test_the_command_compares_scores_over_the_whole_file():
    entries = [
        {
            "image_id": number,
            "category_id": 1,
            "keypoints": np.where(np.isnan(keypoints), 0, keypoints).ravel().tolist(),
            "score": float(score) * 1000,
        }
        for number, poses in enumerate(some())
        for score, keypoints in zip(
            poses.scores, np.dstack([poses.keypoints, poses.keypoint_scores]), strict=True
        )
    ]
    for entry in entries:
        triples = np.reshape(entry["keypoints"], (17, 3))
        triples[triples[:, 0] == 0] = 0
        entry["keypoints"] = triples.ravel().tolist()
    images = [item.poses for item in poses_by_image(entries, COCO17).values()]
    expected = refined(images, ScoreReference.of(images))
    np.testing.assert_allclose(rescore_entries(entries, GENERIC), expected, atol=1e-6)
