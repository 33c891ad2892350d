import numpy as np
import pytest

from rcnet_rt.poses.joint_estimates import joint_estimates, parse_joint_estimates

COVARIANCE = np.array([[[4.0, -1.5], [-1.5, 1.0]], np.full((2, 2), np.nan)], np.float32)


def test_what_is_written_is_read():
    confidence = np.array([1 / 3, 0], np.float32)
    written = joint_estimates(confidence, COVARIANCE)
    assert written["joint_covariance"] == [[4.0, -1.5, 1.0], None]
    read = parse_joint_estimates([written, written])
    assert np.array_equal(read["joint_confidence"], [confidence] * 2)
    assert np.array_equal(read["joint_covariance"], [COVARIANCE] * 2, equal_nan=True)


def test_what_one_pose_lacks_is_left_out():
    both, one = joint_estimates(np.ones(2, np.float32), COVARIANCE), {"joint_confidence": [1, 0]}
    assert list(parse_joint_estimates([both, one])) == ["joint_confidence"]
    assert parse_joint_estimates([both, {"joint_confidence": None}]) == {}
    assert parse_joint_estimates([]) == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"joint_confidence": [0.5, 1.5]}, "probabilities"),
        ({"joint_confidence": [0.5, None]}, "probabilities"),
        ({"joint_covariance": [[1, 0], [1, 0]]}, "xx, xy, yy"),
        ({"joint_covariance": [1, 2]}, "xx, xy, yy"),
        ({"joint_covariance": [[1, 2, 1], None]}, "positive semi-definite"),
        ({"joint_covariance": [[-1, 0, 1], None]}, "positive semi-definite"),
        ({"joint_covariance": [[1, None, 1], None]}, "positive semi-definite"),
    ],
)
def test_what_cannot_be_is_told(given, message):
    with pytest.raises(ValueError, match=message):
        parse_joint_estimates([given])
