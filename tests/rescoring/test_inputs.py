"""What poses become before they are rescored."""

import numpy as np
import torch

from rcnet_rt.poses.poses import Poses
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring.inputs import inputs_of, join, with_floor
from rcnet_rt.workflows.benchmark import some_poses

FLOOR = 0.05


def confident(score: float, confidence: float) -> Poses:
    """Made-up poses, the last with this score and every joint found with this confidence."""
    poses = some_poses(5)
    keypoints, scores = np.nan_to_num(poses.keypoints, nan=300.0), poses.scores.copy()
    joint_scores = poses.keypoint_scores.copy()
    scores[4], joint_scores[4] = score, confidence
    return Poses(keypoints, scores, keypoint_scores=joint_scores)


def test_a_pose_below_the_floor_comes_back_where_all_joints_are_confident():
    raised = with_floor(inputs_of(confident(0.004, 0.98)), FLOOR)
    assert raised.scores[4] == np.float32(FLOOR)
    unsure = inputs_of(confident(0.004, 0.85))
    np.testing.assert_array_equal(with_floor(unsure, FLOOR).scores, unsure.scores)


def test_the_network_decides_about_it_and_no_other_pose_changes():
    refiner = Refiner("yolo-pose")
    back, there = (refiner(confident(score, 0.98)).scores for score in (0.004, FLOOR))
    np.testing.assert_array_equal(back, there)
    gone = refiner(confident(0.004, 0.85)).scores
    assert back[4] > 10 * gone[4]
    assert gone[4] < 0.001


def test_nothing_changes_without_joint_scores_or_floor_or_above_it():
    for inputs, floor in (
        (inputs_of(confident(0.004, 0.98))._replace(keypoint_scores=None), FLOOR),
        (inputs_of(confident(0.004, 0.98)), 0.0),
        (inputs_of(confident(0.5, 0.98)), 0.01),
    ):
        assert with_floor(inputs, floor) is inputs


def test_tensors_and_packs_are_raised_as_arrays_are():
    inputs = join([confident(0.004, 0.98), confident(0.3, 0.98)])
    expected = with_floor(inputs, FLOOR).scores
    tensors = with_floor(inputs.map(torch.as_tensor), FLOOR)
    np.testing.assert_array_equal(tensors.scores.numpy(), expected)
