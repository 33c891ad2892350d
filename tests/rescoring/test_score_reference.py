"""A standing is the same under any increasing change of the scores, and never makes ties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcnet_rt import Poses, PosesError, ScoreReference
from rcnet_rt.rescoring.constants import UNKNOWN_CORRELATION
from rcnet_rt.rescoring.score_reference import expected_rank_alone

CHANGES = {
    "sum": lambda s: 2000 * s,
    "logit": lambda s: np.log(s / (1 - s)),
    "square": np.square,
    "negative": lambda s: s - 50,
}


def images_of(*scores, joints=None):
    return [
        Poses(
            np.ones((len(part), 17, 2)),
            part,
            keypoint_scores=None if joints is None else joints[number],
        )
        for number, part in enumerate(scores)
    ]


def some(seed=0, images=40, change=lambda s: s):
    """Poses whose joint scores have nothing to do with their scores."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 9, images)
    scores = [change(rng.choice(np.linspace(0.02, 0.98, 97), n)) for n in counts]
    return images_of(*scores, joints=[rng.random((n, 17)) for n in counts])


def test_it_counts_poses_a_image_that_score_at_least_this():
    reference = ScoreReference.of(images_of([0.9, 0.5], [0.5], [], [0.1]))
    assert reference.scores == pytest.approx([0.1, 0.5, 0.9])
    assert reference.expected_ranks.tolist() == [3.5 / 4, 2.5 / 4, 0.5 / 4]
    np.testing.assert_allclose(reference.expected_rank(reference.scores), reference.expected_ranks)


def test_log_standing_is_linear_between_reference_scores():
    reference = ScoreReference(np.array([0.0, 1.0]), np.array([4.0, 1.0]))
    assert reference.expected_rank(np.array([0.5])) == pytest.approx([2.0])


@pytest.mark.parametrize("change", CHANGES)
def test_an_increasing_change_of_all_scores_changes_nothing(change):
    plain, changed = some(), some(change=CHANGES[change])
    one, other = ScoreReference.of(plain), ScoreReference.of(changed)
    np.testing.assert_allclose(other.expected_ranks, one.expected_ranks)
    assert other.joint_correlation == pytest.approx(one.joint_correlation)
    for before, after in zip(plain, changed, strict=True):
        np.testing.assert_array_equal(
            other.expected_rank(after.scores), one.expected_rank(before.scores)
        )


def test_a_tail_of_junk_does_not_move_the_poses_above_it():
    clean = [[0.9, 0.6], [0.8]]
    junk = [[*part, *np.linspace(0.001, 0.1, 50)] for part in clean]
    one, other = (ScoreReference.of(images_of(*scores)) for scores in (clean, junk))
    np.testing.assert_allclose(other.expected_rank(one.scores), one.expected_ranks)


SCORES = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30, unique=True)


@settings(deadline=None)
@given(SCORES, SCORES)
def test_it_falls_as_the_score_rises_within_the_references_and_beyond(reference, asked):
    expected_rank = ScoreReference.of(images_of(reference)).expected_rank(np.sort(np.array(asked)))
    assert (expected_rank > 0).all()
    assert np.isfinite(expected_rank).all()
    assert (np.diff(expected_rank) <= 0).all()


def test_scores_beyond_the_references_make_no_ties():
    reference = ScoreReference.of(images_of([0.2, 0.4, 0.6]))
    expected_rank = reference.expected_rank(
        np.array([-1e6, -5.0, 0.1, 0.2, 0.6, 0.61, 3.0, 2000.0, 1e6])
    )
    assert (np.diff(expected_rank) < 0).all()
    alone = ScoreReference.of(images_of([7.0, 7.0])).expected_rank(np.array([0.0, 6.0, 7.0, 8.0]))
    assert (np.diff(alone) < 0).all()


def test_torch_gives_what_numpy_gives():
    reference = ScoreReference.of(some())
    asked = np.linspace(-1, 2, 50)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        got = reference.expected_rank(torch.tensor(asked, dtype=dtype))
        assert got.dtype == dtype
        np.testing.assert_allclose(got.numpy(), reference.expected_rank(asked), rtol=tolerance)
        rule = expected_rank_alone(torch.tensor(asked, dtype=dtype))
        np.testing.assert_allclose(rule.numpy(), expected_rank_alone(asked), rtol=tolerance)


def test_few_knots_are_nearly_as_good():
    images = some(images=200)
    whole, few = ScoreReference.of(images), ScoreReference.of(images, knots=32)
    assert len(few.scores) <= 32 < len(whole.scores)
    np.testing.assert_allclose(few.expected_rank(whole.scores), whole.expected_ranks, rtol=0.2)


def test_the_echo_hears_joint_scores_in_the_scores():
    rng = np.random.default_rng(0)
    joints = [rng.uniform(0, 1, (1, 1)) * rng.uniform(0.8, 1, (3, 17)) for _ in range(60)]
    joints = [part * rng.uniform(0.2, 1, (3, 1)) for part in joints]
    free = [rng.random(3) for _ in joints]
    repeated = [part.mean(axis=1) * 500 for part in joints]
    assert ScoreReference.of(images_of(*free, joints=joints)).joint_correlation < 0.3
    assert ScoreReference.of(images_of(*repeated, joints=joints)).joint_correlation > 0.9


@pytest.mark.parametrize(
    "images",
    [[], images_of([]), images_of([0.3, 0.2]), images_of(*[[0.5]] * 50)],
    ids=["no images", "no poses", "few poses", "equal scores"],
)
def test_where_nothing_can_be_heard_the_echo_is_unknown(images):
    reference = ScoreReference.of(images)
    assert reference.joint_correlation == UNKNOWN_CORRELATION
    assert np.isfinite(reference.expected_rank(np.array([0.0, 0.5, 99.0]))).all()


def test_scores_that_are_no_numbers_are_left_out():
    with_faults = ScoreReference.of(images_of([0.5, np.nan], [np.inf, 0.4]))
    assert with_faults.scores == pytest.approx([0.4, 0.5])


def test_refined_poses_count_by_their_raw_scores():
    (poses,) = images_of([0.2, 0.7])
    assert ScoreReference.of([poses.with_scores(np.array([0.9, 0.1]))]).scores == pytest.approx(
        [0.2, 0.7]
    )


@pytest.mark.parametrize(
    ("scores", "expected_ranks"),
    [([], []), ([1.0], [1.0, 2.0]), ([2.0, 1.0], [2.0, 1.0]), ([1.0, 2.0], [1.0, 2.0])],
)
def test_a_scale_that_is_none_is_told(scores, expected_ranks):
    with pytest.raises(PosesError, match="score reference"):
        ScoreReference(np.array(scores), np.array(expected_ranks))


def test_alone_the_standing_falls_over_all_scores_and_is_the_odds_of_small_ones():
    asked = np.array([-1e4, -3, -0.5, 0, 1e-3, 0.3, 0.7, 0.9, 0.99, 1, 1.8, 3, 17, 2000, 1e5])
    assert (np.diff(expected_rank_alone(asked)) < 0).all()
    odds = expected_rank_alone(np.array([0.2, 0.5, 0.8])) / expected_rank_alone(np.array([0.5]))
    assert odds == pytest.approx([4, 1, 0.25])
