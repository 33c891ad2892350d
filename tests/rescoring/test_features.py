"""Features against a plain loop that follows DEKR's rule word for word, and torch against NumPy."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from rcnet_rt import WeightsError
from rcnet_rt.poses.skeletons import COCO17, CROWDPOSE14, CROWDPOSE14_TORSO
from rcnet_rt.rescoring import baselines, features
from rcnet_rt.rescoring.batch import concatenate, isolate, pack
from rcnet_rt.rescoring.constants import MIN_AGREEMENT
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.nms_consensus import CONSENSUS
from rcnet_rt.rescoring.score_reference import ScoreReference


def dekr_loop(pose, scores, skeleton, unit_links=(9, 11)):
    vectors, lengths = [], []
    for a, b in skeleton.links:
        dx, dy = pose[a][0] - pose[b][0], pose[a][1] - pose[b][1]
        vectors += [dx, dy]
        lengths.append(math.sqrt(dx * dx + dy * dy))
    unit = max((lengths[unit_links[0]] + lengths[unit_links[1]]) / 2, 1)
    return [v / unit for v in vectors] + [length / unit for length in lengths] + list(scores)


def poses_of(skeleton, count=6, seed=0, reference=200.0):
    rng = np.random.default_rng(seed)
    joints = len(skeleton.keypoints)
    return rng.uniform(0, reference, (count, joints, 2)), rng.uniform(0, 1, (count, joints + 1))


@pytest.mark.parametrize(
    ("skeleton", "unit"),
    [(COCO17, (9, 11)), (CROWDPOSE14, (9, 11)), (CROWDPOSE14_TORSO, (7, 8))],
)
def test_dekr_equals_the_plain_loop_in_its_order(skeleton, unit):
    keypoints, scores = poses_of(skeleton)
    packed = pack(PoseInputs(keypoints, scores[:, -1], scores[:, :-1]))
    got = features.get("paper").compute(packed, skeleton, packed.scores)
    for row, pose, joint in zip(got, keypoints, scores, strict=True):
        assert row == pytest.approx([*dekr_loop(pose, joint[:-1], skeleton, unit), joint[-1]])


@pytest.mark.parametrize(
    ("skeleton", "sizes"),
    [(COCO17, (74, 75, 89, 102, 2, 75, 89)), (CROWDPOSE14, (59, 60, 74, 87, 2, 60, 74))],
)
def test_sizes_and_names_belong_together(skeleton, sizes):
    for (name, feature_set), size in zip(features.FEATURE_SETS.items(), sizes, strict=True):
        keypoints, scores = poses_of(skeleton)
        packed = pack(PoseInputs(keypoints, scores[:, -1], scores[:, :-1]))
        matrix = feature_set.compute(packed, skeleton, baselines.baseline_logit("score", packed))
        assert matrix.shape == (6, size) == (6, feature_set.size(skeleton)), name
        assert len(set(feature_set.names(skeleton))) == size


@pytest.mark.parametrize("name", features.FEATURE_SETS)
@pytest.mark.parametrize("skeleton", [COCO17, CROWDPOSE14])
def test_numpy_equals_torch(name, skeleton):
    keypoints, scores = poses_of(skeleton, 9)
    keypoints[2, 3:7] = np.nan
    keypoints[5] = np.nan
    consensus = np.random.default_rng(5).uniform(0, 1, (9, len(CONSENSUS)))
    compute = features.get(name).compute

    def matrix(kind):
        packed = pack(
            PoseInputs(
                kind(keypoints),
                kind(scores[:, -1]),
                kind(scores[:, :-1]),
                consensus=kind(consensus),
                agreement=kind(consensus[:, 0]),
                embeddings=kind(consensus[:, :5]),
            )
        )
        baseline = baselines.baseline_logit("score_times_consensus", packed)
        return np.asarray(compute(packed, skeleton, baseline))

    numpy = matrix(np.asarray)
    assert np.isfinite(numpy).all()
    np.testing.assert_allclose(numpy, matrix(torch.tensor), atol=1e-9)
    single = matrix(lambda array: torch.tensor(array, dtype=torch.float32))
    np.testing.assert_allclose(numpy, single, rtol=2e-5, atol=2e-5)


def test_a_missing_joint_leaves_its_links_zero_and_no_trace_of_the_corner():
    keypoints, scores = poses_of(COCO17, 1)
    keypoints[0, 0] = np.nan  # the nose: links 0 and 1
    packed = pack(PoseInputs(keypoints, scores[:, -1], scores[:, :-1]))
    row = features.get("dekr").compute(packed, COCO17, packed.scores)[0]
    names = features.get("dekr").names(COCO17)
    about_nose = [value for name, value in zip(names, row, strict=True) if "nose" in name]
    assert about_nose == [0.0] * 7
    whole = dekr_loop(np.nan_to_num(keypoints[0]), scores[0, :-1], COCO17)
    others = [i for i, name in enumerate(names) if "nose" not in name]
    np.testing.assert_allclose(row[others], np.array(whole)[others])


def test_the_unit_is_the_torso_side_that_was_found_or_a_share_of_the_box():
    keypoints, scores = poses_of(COCO17, 1)
    names = features.get("dekr").names(COCO17)
    left = names.index("length left_shoulder-left_hip")

    def row(missing, **more):
        changed = keypoints.copy()
        changed[0, missing] = np.nan
        packed = pack(PoseInputs(changed, scores[:, -1], scores[:, :-1], **more))
        return features.get("dekr").compute(packed, COCO17, packed.scores)[0]

    assert row([6])[left] == pytest.approx(1.0)
    eyes = names.index("length left_eye-right_eye")
    length = np.linalg.norm(keypoints[0, 1] - keypoints[0, 2])
    box = np.array([[0.0, 0.0, 100.0, 400.0]])
    assert row([5, 6], boxes=box)[eyes] == pytest.approx(length / (0.35 * 200))


@pytest.mark.parametrize("name", ["dekr", "paper"])
def test_scaling_or_moving_the_image_changes_nothing(name):
    keypoints, scores = poses_of(COCO17)
    compute = features.get(name).compute

    def matrix(points):
        packed = pack(PoseInputs(points, scores[:, -1], scores[:, :-1]))
        return compute(packed, COCO17, packed.scores)

    for factor in (0.01, 3.0, 100.0):
        np.testing.assert_allclose(matrix(keypoints * factor + 70), matrix(keypoints), atol=1e-9)


def test_degenerate_poses_give_finite_features():
    points = np.stack([np.zeros((17, 2)), np.full((17, 2), 5.0), np.full((17, 2), np.nan)])
    packed = pack(PoseInputs(points, np.array([0.5, 0.5, 0.5])))
    baseline = baselines.baseline_logit("score", packed)
    assert np.isfinite(features.get("full").compute(packed, COCO17, baseline)).all()
    none = pack(PoseInputs(np.zeros((0, 17, 2)), np.zeros(0)))
    assert features.get("full").compute(none, COCO17, none.scores).shape == (0, 89)


def test_signals_are_nan_where_they_are_not_known():
    keypoints, scores = poses_of(COCO17, 3)
    consensus = np.full((3, len(CONSENSUS)), np.nan)
    consensus[1] = 0.5
    known = {"consensus": consensus, "agreement": np.array([np.nan, np.nan, 0.01])}
    names = features.get("signals").names(COCO17)

    def columns(**signals):
        packed = pack(PoseInputs(keypoints, scores[:, -1], **signals))
        matrix = features.get("signals").compute(packed, COCO17, packed.scores)
        return dict(zip(names, matrix.T.tolist(), strict=True))

    got = columns(**known)
    assert got["candidates shown"] == [0, 1, 0]
    assert got["looked at again"] == [0, 0, 1]
    assert np.isnan(got["candidate OKS"]).tolist() == [True, False, True]
    assert got["log agreement"][2] == pytest.approx(math.log(MIN_AGREEMENT))
    nothing = columns()
    assert nothing["candidates shown"] == nothing["looked at again"] == [0, 0, 0]
    assert np.isnan(nothing["spread"]).all()


def test_visual_features_are_the_set_and_the_embeddings():
    keypoints, scores = poses_of(COCO17, 3)
    embeddings = np.random.default_rng(3).normal(0, 1, (3, 7))
    embeddings[1] = np.nan
    seen = pack(PoseInputs(keypoints, scores[:, -1], embeddings=embeddings))
    blind = pack(PoseInputs(keypoints, scores[:, -1]))
    for name in ("paper", "full"):
        visual, plain = features.get(f"{name}+visual"), features.get(name)
        matrix = visual.compute(seen, COCO17, seen.scores)
        expected = np.concatenate([plain.compute(seen, COCO17, seen.scores), embeddings], axis=1)
        np.testing.assert_array_equal(matrix, expected)
        assert matrix.shape[1] == visual.size(COCO17, 7) == plain.size(COCO17, 7) + 7
    both = concatenate([seen, blind], 7)
    assert np.isnan(both.embeddings[3:]).all()
    assert concatenate([blind, blind], 7).embeddings.shape == (6, 7)
    np.testing.assert_array_equal(both.embeddings[:3], embeddings)


def test_set_features_see_only_their_own_image():
    keypoints, scores = poses_of(COCO17)
    one = pack(PoseInputs(keypoints, scores[:, -1], scores[:, :-1]))
    compute = features.get("full").compute

    def matrix(packed):
        return compute(packed, COCO17, baselines.baseline_logit("score", packed))

    both = matrix(concatenate([one, one]))
    np.testing.assert_allclose(both, np.concatenate([matrix(one), matrix(one)]))
    alone = matrix(isolate(one, np.ones(6, bool)))
    company = features.get("full").names(COCO17).index("company")
    assert (alone[:, company] == 0).all()
    assert matrix(one)[:, company] == pytest.approx(np.log(6))


def test_a_duplicate_shows_as_overlap():
    keypoints, scores = poses_of(COCO17, 2)
    keypoints[1] = keypoints[0]
    packed = pack(PoseInputs(keypoints, np.array([0.9, 0.4]), scores[:, :-1]))
    matrix = features.get("full").compute(packed, COCO17, baselines.baseline_logit("score", packed))
    overlap = features.get("full").names(COCO17).index("overlap")
    assert matrix[:, overlap] == pytest.approx([0.0, 1.0])


def test_an_unknown_set_lists_the_known():
    with pytest.raises(WeightsError, match=r"dekr, .*, confidence, paper\+visual"):
        features.get("visual")


def test_confidence_is_of_the_full_set_and_fades_with_the_echo():
    keypoints, scores = poses_of(COCO17)
    keypoints[2, 3:9] = np.nan
    plain = pack(PoseInputs(keypoints, scores[:, -1], scores[:, :-1]))
    whole = features.get("full").compute(plain, COCO17, baselines.baseline_logit("score", plain))
    names = features.get("full").names(COCO17)
    shared = whole[:, [names.index(name) for name in features.CONFIDENCE]]

    def faded(joint_correlation):
        reference = ScoreReference(np.zeros(1), np.ones(1), joint_correlation)
        poses = replace(plain, reference=reference)
        return features.get("confidence").compute(poses, COCO17, poses.scores)

    perfect = np.ones((6, 2))
    np.testing.assert_allclose(faded(0.3) - perfect, (shared - perfect) * 0.7**3)
    np.testing.assert_allclose(faded(0.15) - perfect, (shared - perfect) * 0.7**3 / 2)
    np.testing.assert_allclose(faded(0.6) - perfect, (shared - perfect) * 0.4**3)
    for joint_correlation in (0.0, 1.0):
        np.testing.assert_allclose(faded(joint_correlation), perfect)
