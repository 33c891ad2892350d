"""Weights cut down to poses without signals give the scores of the whole ones."""

import numpy as np
import pytest

from rcnet_rt.backends.torch import TorchBackend
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.inputs import PoseInputs, check
from rcnet_rt.rescoring.prune_inputs import prune_signals
from rcnet_rt.workflows.benchmark import some_poses
from tests.helpers.networks import random_weights

SIGNALS = [
    random_weights(architecture, "signals") for architecture in ("attention", "mlp", "linear")
]


@pytest.mark.parametrize("weights", [*SIGNALS, weights_io.find("yolo-pose")])
def test_scores_are_equal_where_no_signal_is_known(weights):
    poses = some_poses(30)
    given = check(PoseInputs(poses.keypoints, poses.scores, poses.keypoint_scores, poses.boxes))
    cut = prune_signals(weights)
    assert cut.network.feature_count < weights.network.feature_count
    whole, same = (TorchBackend(one, "cpu")(given).scores for one in (weights, cut))
    np.testing.assert_allclose(np.asarray(same), np.asarray(whole), atol=2e-6)
    assert np.ptp(np.asarray(whole)) > 0.1


@pytest.mark.parametrize("feature_set", ["paper", "full"])
def test_weights_without_such_features_are_given_back(feature_set):
    weights = random_weights(feature_set=feature_set)
    assert prune_signals(weights) is weights


def test_a_formula_is_given_back():
    weights = weights_io.find("formula:score")
    assert prune_signals(weights) is weights
