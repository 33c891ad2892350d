from dataclasses import replace

import numpy as np
import pytest

from rcnet_rt import Poses, PosesError


def test_arrays_become_float32_and_read_only(random_poses):
    for name in ("keypoints", "scores", "keypoint_scores", "boxes"):
        array = getattr(random_poses, name)
        assert array.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_the_callers_arrays_stay_writable():
    keypoints = np.zeros((1, 17, 2), np.float32)
    Poses(keypoints, np.ones(1))
    keypoints[0, 0, 0] = 5


def test_indexing_selects_in_every_field(random_poses):
    mask = random_poses.scores > np.median(random_poses.scores)
    chosen = random_poses[mask]
    assert len(chosen) == mask.sum()
    assert np.array_equal(chosen.boxes, random_poses.boxes[mask])
    assert np.array_equal(random_poses[-1].keypoints[0], random_poses.keypoints[-1])
    assert [len(pose) for pose in random_poses] == [1] * 5
    assert len(random_poses[:0]) == 0
    assert chosen.image_size == (640, 480)


def test_joint_estimates_are_selected_with_their_poses(random_poses):
    confidence = np.linspace(0, 1, 5 * 17, dtype=np.float32).reshape(5, 17)
    covariance = np.einsum("nk,ij->nkij", 1 + confidence, [[4.0, -2.0], [-2.0, 1.0]])
    covariance[0, 3] = np.nan  # the joint was not found
    poses = replace(random_poses, joint_confidence=confidence, joint_covariance=covariance)
    chosen = poses[[4, 0]].with_scores(np.zeros(2))
    assert np.array_equal(chosen.joint_confidence, confidence[[4, 0]])
    assert np.array_equal(
        chosen.joint_covariance, covariance[[4, 0]].astype(np.float32), equal_nan=True
    )


def test_an_index_beyond_the_end_raises(random_poses):
    with pytest.raises(IndexError):
        random_poses[5]


def test_new_scores_keep_the_first_raw_ones(random_poses):
    once = random_poses.with_scores(np.zeros(5))
    twice = once.with_scores(np.ones(5))
    assert np.array_equal(twice.raw_scores, random_poses.scores)
    assert np.array_equal(twice.keypoints, random_poses.keypoints)


def test_found_needs_both_coordinates():
    keypoints = np.zeros((1, 3, 2))
    keypoints[0, 0] = np.nan
    keypoints[0, 1, 1] = np.nan
    assert Poses(keypoints, np.ones(1)).found.tolist() == [[False, False, True]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keypoints": np.zeros((2, 17, 3))}, r"expected shape \(N, K, 2\), got \(2, 17, 3\)"),
        ({"keypoints": np.zeros((2, 17))}, r"got \(2, 17\)"),
        ({"scores": np.zeros(3)}, r"scores: expected shape \(2,\)"),
        ({"scores": None}, "scores: expected"),
        ({"keypoint_scores": np.zeros((2, 16))}, r"expected shape \(2, 17\)"),
        ({"boxes": np.zeros((2, 5))}, r"boxes: expected shape \(2, 4\)"),
        ({"consensus": np.zeros((2, 3))}, r"consensus: expected shape \(2, 9\)"),
        ({"agreement": np.zeros(3)}, r"agreement: expected shape \(2,\)"),
        ({"embeddings": np.zeros((3, 8))}, r"embeddings: expected shape \(2, 'E'\)"),
        ({"joint_confidence": np.zeros((2, 16))}, r"expected shape \(2, 17\)"),
        ({"joint_covariance": np.zeros((2, 17, 3))}, r"expected shape \(2, 17, 2, 2\)"),
        ({"scores": ["a", "b"]}, "expected an array of numbers"),
        ({"image_size": (0, 5)}, "above 0"),
        ({"image_size": 5}, "width, height"),
    ],
)
def test_shapes_that_do_not_fit_are_told(fields, message):
    with pytest.raises(PosesError, match=message):
        Poses(**{"keypoints": np.zeros((2, 17, 2)), "scores": np.zeros(2), **fields})
