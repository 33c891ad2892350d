"""The figures of the joints study that no other test sees."""

import numpy as np
import pytest

from benchmarks.studies.joints.figures import coverage_by_chance


def covered(rng, images, poses, joints=17):
    """Joints of which 90 % are in their ellipses; those of an image are missed together."""
    missed = rng.random((images, 1)) < 0.1
    return np.repeat(np.repeat(~missed, joints, axis=1), poses, axis=0)


def test_chance_is_wider_where_the_joints_of_an_image_are_missed_together():
    rng = np.random.default_rng(0)
    alone = rng.random((2000, 17)) < 0.9
    counted, images = np.ones((2000, 17), bool), np.arange(2000)
    low, high = coverage_by_chance(alone, counted, images)
    deviation = np.sqrt(0.9 * 0.1 / 2000)  # 17 independent normal deviations span 3.6 of it
    assert high - low == pytest.approx(3.6 * deviation, rel=0.15)
    together = coverage_by_chance(covered(rng, 100, 20), counted, np.repeat(np.arange(100), 20))
    assert together[1] - together[0] == pytest.approx(0, abs=1e-9)  # all joints alike
    low, high = coverage_by_chance(alone[:200], counted[:200], images[:200])
    assert high - low == pytest.approx(3.6 * deviation * np.sqrt(10), rel=0.15)


def test_joints_that_do_not_count_change_nothing():
    rng = np.random.default_rng(0)
    inside, images = rng.random((600, 17)) < 0.9, np.repeat(np.arange(300), 2)
    counted = rng.random((600, 17)) < 0.5
    given = coverage_by_chance(inside, counted, images)
    assert given == coverage_by_chance(inside | ~counted, counted, images)
