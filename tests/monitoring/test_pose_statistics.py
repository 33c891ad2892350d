"""Numbers of each pose: right values, and NaN for what does not exist."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rcnet_rt.monitoring.pose_statistics import (
    joint_confidences,
    joints_found,
    pose_heights,
    pose_sizes,
    torso_directions,
)
from rcnet_rt.poses.poses import Poses

NAN = np.nan
# Three joints each: all found; one found; none found.
POSES = Poses(
    [
        [[10, 20], [40, 20], [10, 50]],
        [[5, 7], [NAN, NAN], [NAN, NAN]],
        [[NAN, NAN]] * 3,
    ],
    [0.9, 0.5, 0.1],
    keypoint_scores=[[0.9, 0.6, 0.3], [0.6, 0.9, 0.9], [0.9, 0.9, 0.9]],
)


def test_confidences_count_joints_that_were_not_found_as_0() -> None:
    np.testing.assert_allclose(joint_confidences(POSES), [0.6, 0.2, 0], rtol=1e-6)
    assert np.isnan(joint_confidences(replace(POSES, keypoint_scores=None))).all()


def test_found_joints_are_likely_ones() -> None:
    np.testing.assert_allclose(joints_found(POSES), [1, 1 / 3, 0])
    unlikely = replace(POSES, keypoint_scores=np.full((3, 3), 0.1))
    np.testing.assert_array_equal(joints_found(unlikely), [0, 0, 0])
    unscored = replace(POSES, keypoint_scores=None)
    np.testing.assert_allclose(joints_found(unscored), [1, 1 / 3, 0])


def test_sizes_are_of_boxes_or_of_joints() -> None:
    np.testing.assert_allclose(pose_sizes(POSES, 60), [0.5, 0, NAN])
    boxed = replace(POSES, boxes=[[0, 0, 40, 90], [0, 0, 10, 10], [5, 5, 6, 6]])
    np.testing.assert_allclose(pose_sizes(boxed, 120), [0.5, 10 / 120, 1 / 120])
    assert np.isnan(pose_sizes(boxed, NAN)).all()


def test_heights_are_means_of_the_joints() -> None:
    np.testing.assert_allclose(pose_heights(POSES), [30, 7, NAN])


def test_torsos_point_up() -> None:
    torso = np.array([[0, 2], [0, 2]])
    np.testing.assert_allclose(torso_directions(POSES, torso), [[0, -1], [NAN] * 2, [NAN] * 2])
    sideways = np.array([[0, 1], [0, 1]])
    np.testing.assert_allclose(torso_directions(POSES, sideways)[0], [-1, 0])
