from dataclasses import replace

import numpy as np
import pytest

from rcnet_rt import ScoreReference, WeightsError
from rcnet_rt.poses.arrays import sigmoid
from rcnet_rt.rescoring import baselines
from rcnet_rt.rescoring.batch import pack
from rcnet_rt.rescoring.inputs import PoseInputs

KEYPOINTS = np.ones((2, 4, 2))
CONFIDENCE = np.array([[0.9, 0.5, 0.1, 0.3], [0.1, 0.1, 0.1, 0.1]])
SCORES = np.array([0.8, 0.5])


def values(name):
    return baselines.get(name).compute(pack(PoseInputs(KEYPOINTS, SCORES, CONFIDENCE)))


def test_the_formulas_by_hand():
    mean = (0.9 + 0.5 + 0.3) / 3
    assert values("score").tolist() == [0.8, 0.5]
    assert values("mean_confidence") == pytest.approx([mean, 0.0])
    assert values("score_times_confidence") == pytest.approx([0.8 * mean, 0.0])
    assert values("score_plus_confidence") == pytest.approx([0.8 + 0.45 + 0.9, 0.7])
    assert values("score_times_joints") == pytest.approx([2.4, 1.5])
    assert values("score_times_parts") == pytest.approx([16.0, 10.0])


def test_without_joint_scores_found_joints_count_as_certain():
    keypoints = KEYPOINTS.copy()
    keypoints[1, :2] = np.nan
    packed = pack(PoseInputs(keypoints, SCORES))
    assert baselines.get("score_times_confidence").compute(packed) == pytest.approx(SCORES)
    assert baselines.get("score_times_joints").compute(packed) == pytest.approx([2.4, 0.5])


def test_an_unbounded_value_at_its_scale_is_one_half():
    packed = pack(PoseInputs(KEYPOINTS, SCORES, CONFIDENCE))
    base = baselines.baseline_logit("score_times_joints", packed, scale=2.4)
    assert sigmoid(base) == pytest.approx([0.5, 1.5 / (1.5 + 2.4)])


def test_base_logits_never_overflow():
    packed = pack(PoseInputs(np.ones((4, 4, 2)), np.array([0.0, 1.0, 7.0, -3.0])))
    for name in baselines.BASELINES:
        assert np.isfinite(baselines.baseline_logit(name, packed)).all(), name


def test_an_unknown_formula_lists_the_known():
    with pytest.raises(WeightsError, match="score_times_confidence"):
        baselines.get("magic")


@pytest.mark.parametrize("name", ["standing", "rank_times_confidence"])
def test_expected_ranks_keep_the_raw_order_without_a_tie(name):
    scores = np.array([-50.0, -1.0, 0.0, 1e-4, 2e-4, 0.5, 1.0, 40.0, 2000.0])
    for joints in (None, np.full((len(scores), 4), 0.3), np.zeros((len(scores), 4))):
        packed = pack(PoseInputs(np.ones((len(scores), 4, 2)), scores, joints))
        assert (np.diff(baselines.baseline_logit(name, packed)) > 0).all()


def test_rank_times_confidence_by_hand():
    reference = ScoreReference(np.array([0.0, 1.0]), np.array([10.0, 0.625]), 0.3)  # 2.5 at 0.5
    inputs = PoseInputs(KEYPOINTS, np.array([0.5, 1.0]), CONFIDENCE, reference=reference)
    confidence = np.array([(0.81 + 0.25 + 0.01 + 0.09) / 1.8, 0.1])
    v = np.array([0.5, 0.8]) * confidence ** (2 * 0.7**3)
    got = baselines.baseline_logit("rank_times_confidence", pack(inputs))
    assert sigmoid(got) == pytest.approx(v)
    for explained in (0.0, 1.0):  # nothing is left to add, or the joint scores mean nothing
        packed = pack(inputs._replace(reference=replace(reference, joint_correlation=explained)))
        logits = baselines.baseline_logit("rank_times_confidence", packed)
        assert sigmoid(logits) == pytest.approx([0.5, 0.8])


def test_rank_times_confidence_counts_found_joints_where_there_are_no_joint_scores():
    keypoints = KEYPOINTS.copy()
    keypoints[1, :2] = np.nan
    reference = ScoreReference(np.array([0.0, 1.0]), np.array([10.0, 0.625]), 0.3)
    packed = pack(PoseInputs(keypoints, np.array([0.5, 0.5]), reference=reference))
    got = sigmoid(baselines.baseline_logit("rank_times_confidence", packed))
    assert got == pytest.approx([0.5, 0.5 * 0.5 ** (2 * 0.7**3)])
