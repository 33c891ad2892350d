"""Duplicates are suppressed by OKS; poses without the joints of a task are left out."""

import numpy as np
import pytest

from rcnet_rt.errors import SkeletonError
from rcnet_rt.poses.oks import oks
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.selection import has_joints, joint_indices, suppress_duplicates
from rcnet_rt.poses.skeletons import COCO17, CROWDPOSE14
from rcnet_rt.workflows.benchmark import some_poses


def moved(poses: Poses, shift: float, score: float) -> Poses:
    return Poses(
        np.concatenate([poses.keypoints, poses.keypoints[:1] + shift]),
        np.append(poses.scores, score),
        boxes=np.concatenate([poses.boxes, poses.boxes[:1] + shift]),
    )


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_of_two_poses_of_one_person_the_better_stays(score):
    poses = moved(some_poses(6), 2.0, score)
    kept = suppress_duplicates(poses)
    assert kept.sum() == 6
    assert kept[0] == (score == 0.0)
    assert kept[6] == (score == 1.0)


def test_people_side_by_side_stay():
    assert suppress_duplicates(moved(some_poses(6), 60.0, 0.9)).all()
    assert suppress_duplicates(some_poses(20)).all()


def test_the_pairwise_oks_is_cocos():
    poses = moved(some_poses(1), 3.0, 0.1)
    found = poses.found.all(axis=0)
    area = 0.53 * (150 * 150)
    expected = oks(
        poses.keypoints[:1, found],
        poses.keypoints[1:, found],
        np.ones((1, found.sum()), bool),
        np.array([area]),
        np.array([[0.0, 0.0, 1.0, 1.0]]),
        np.array(COCO17.sigmas)[found],
    )[0, 0]
    assert suppress_duplicates(poses, oks=expected + 1e-6).all()
    assert not suppress_duplicates(poses, oks=expected - 1e-6).all()


def test_nobody_and_poses_of_one_joint_are_no_duplicates():
    assert suppress_duplicates(Poses.empty(17)).shape == (0,)
    single = np.full((2, 17, 2), np.nan)
    single[:, 0] = 5.0
    assert suppress_duplicates(Poses(single, [0.5, 0.4])).all()


def test_joints_by_name_and_by_both_sides():
    assert joint_indices(["hips", "shoulders"]) == [11, 12, 5, 6]
    assert joint_indices(["head"], CROWDPOSE14) == [12]
    with pytest.raises(SkeletonError, match="coco17 has no joint 'tail'; it has nose"):
        joint_indices(["tail"])


def test_a_pose_needs_all_joints_found_and_confident():
    poses = some_poses(3)
    keypoints, confidence = np.ones((3, 17, 2)), np.full((3, 17), 0.9)
    keypoints[1, 11] = np.nan
    confidence[2, 12] = 0.1
    poses = Poses(keypoints, poses.scores, keypoint_scores=confidence)
    assert has_joints(poses, ["hips"]).tolist() == [True, False, False]
    assert has_joints(poses, ["hips"], min_confidence=0.05).tolist() == [True, False, True]
    assert has_joints(Poses(keypoints, poses.scores), ["hips"]).tolist() == [True, False, True]


def test_calibrated_confidence_goes_before_the_estimators():
    poses = Poses(
        np.ones((2, 17, 2)),
        [0.9, 0.9],
        keypoint_scores=np.full((2, 17), 0.9),
        joint_confidence=np.repeat([[0.2], [0.6]], 17, axis=1),
    )
    assert has_joints(poses, ["hips"], 0.5).tolist() == [False, True]
