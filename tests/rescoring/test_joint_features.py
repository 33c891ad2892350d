"""The features of the joint head, against a plain loop."""

import math

import numpy as np
import torch

from rcnet_rt.rescoring.batch import pack
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.joint_features import feature_count, joint_features, pose_size


def naive(keypoints, scores, box, refined):
    width, height = box[2] - box[0], box[3] - box[1]
    size = max(math.sqrt(max(width, 0) * max(height, 0)), 1e-3)
    found = [not np.isnan(point).any() for point in keypoints]
    known = [score if there else 0.0 for score, there in zip(scores, found, strict=True)]

    def logit(value):
        value = min(max(value, 1e-4), 1 - 1e-4)
        return math.log(value / (1 - value))

    def places(axis, low, high):
        half = max((high - low) / 2, 1e-3)
        values = [(point[axis] - (low + high) / 2) / half for point in keypoints]
        pairs = zip(values, found, strict=True)
        return [min(max(value, -3), 3) if there else 0.0 for value, there in pairs]

    has_scores = any(there and score < 1 for score, there in zip(scores, found, strict=True))
    return [
        *(logit(score) for score in known),
        *places(0, box[0], box[2]),
        *places(1, box[1], box[3]),
        logit(refined),
        min(max(math.log(size) - 5, -10), 10),
        float(has_scores),
    ]


def some_inputs():
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 300, (6, 17, 2))
    keypoints[rng.random((6, 17)) < 0.2] = np.nan
    boxes = np.array([[0, 0, 300, 200]] * 5 + [[10.0, 10, 10, 10]])
    scores = rng.random((6, 17))
    scores[2] = 1.0
    return keypoints, scores, boxes, rng.random(6)


def test_the_features_are_those_of_a_plain_loop_in_numpy_and_torch():
    keypoints, scores, boxes, refined = some_inputs()
    expected = [naive(*row) for row in zip(keypoints, scores, boxes, refined, strict=True)]
    packed = pack(PoseInputs(keypoints, refined, scores, boxes))
    computed = joint_features(packed, refined, pose_size(packed))
    assert computed.shape == (6, feature_count(17))
    np.testing.assert_allclose(computed, expected, rtol=0, atol=1e-12)
    assert computed[:, -1].tolist() == [1, 1, 0, 1, 1, 1]
    tensors = pack(PoseInputs(*map(torch.tensor, (keypoints, refined, scores, boxes))))
    in_torch = joint_features(tensors, torch.tensor(refined), pose_size(tensors))
    np.testing.assert_allclose(in_torch.numpy(), computed, rtol=0, atol=1e-12)


def test_poses_without_joint_scores_say_so():
    keypoints, _, boxes, refined = some_inputs()
    packed = pack(PoseInputs(keypoints, refined, None, boxes))
    assert not joint_features(packed, refined, pose_size(packed))[:, -1].any()
