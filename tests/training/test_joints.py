"""Training of joint heads: what is learned from, the loss, and the calibration."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rcnet_rt.rescoring.joint_head import COVERED, head_outputs
from rcnet_rt.training.joint_calibration import calibrated_tensors, fit_joint_calibration
from rcnet_rt.training.joint_examples import JointExamples, join_examples
from rcnet_rt.training.joint_loss import coverage_loss, joint_loss
from rcnet_rt.training.joint_training import JointRecipe, _scoring, _train
from tests.helpers.networks import random_head, random_weights

FEATURES = 54 + 2


def some_examples(count=2000, seed=0):
    """Joints that are right more often the higher the first feature, and farther off with it."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (count, FEATURES)).astype(np.float32)
    chance = 1 / (1 + np.exp(-2 * features[:, :1]))
    spread = 0.02 * np.exp(0.5 * features[:, :1, None])
    judged = rng.random((count, 17)) < 0.5
    errors = (spread * rng.normal(0, 1, (count, 17, 2)) * [2, 1]).astype(np.float32)
    return JointExamples(
        features=features,
        found=np.ones((count, 17), bool),
        right=rng.random((count, 17)) < chance,
        errors=np.where(judged[..., None], errors, np.nan),
        judged=judged,
        occluded=np.zeros((count, 17), bool),
        weights=np.ones(count, np.float32),
        images=np.arange(count),
        as_given=np.ones(count, bool),
        estimators=np.arange(count) % 2,
    )


def test_a_trained_and_calibrated_head_is_calibrated_on_others():
    recipe = JointRecipe(width=16, epochs=20, poses_per_step=32)
    tensors = _train(some_examples(), recipe)
    held_out = some_examples(seed=1)
    outputs = head_outputs(tensors, held_out.features)
    final = calibrated_tensors(tensors, fit_joint_calibration(outputs, held_out))
    new = some_examples(seed=2)
    found = head_outputs(final, new.features)
    confidence = 1 / (1 + np.exp(-found[:, 0]))
    for low in (0.0, 0.3, 0.7):
        some = (confidence >= low) & (confidence < low + 0.3)
        assert abs(confidence[some].mean() - new.right[some].mean()) < 0.03
    stretch, shear, variance = found[:, 2], found[:, 3], np.exp(found[:, 1])
    middle = np.sqrt(1 + stretch**2 + shear**2)
    x, y = np.moveaxis(new.errors, -1, 0)
    squares = (middle - stretch) * x * x - 2 * shear * x * y + (middle + stretch) * y * y
    inside = (squares / variance <= COVERED)[new.judged]
    assert abs(inside.mean() - 0.9) < 0.01
    narrow = (new.features[:, :1] < -1) & new.judged
    assert 0.84 < (squares / variance <= COVERED)[narrow].mean() < 0.95
    assert np.median((middle + stretch) / (middle - stretch)) == pytest.approx(4, rel=0.3)
    same = head_outputs(_train(some_examples(), recipe), new.features)
    np.testing.assert_array_equal(same, head_outputs(tensors, new.features))


def test_calibration_is_in_the_last_layer():
    examples, head = some_examples(), random_head("confidence")
    outputs = head_outputs(head.tensors, examples.features)
    calibration = fit_joint_calibration(outputs, examples)
    found = head_outputs(calibrated_tensors(head.tensors, calibration), examples.features)
    wanted = calibration.slope * outputs[:, 0] + calibration.intercept
    np.testing.assert_allclose(found[:, 0], wanted.clip(-30, 30), atol=1e-4)
    shifted = (outputs[:, 1] + calibration.log_variance).clip(-16, 0)
    np.testing.assert_allclose(found[:, 1], shifted, atol=1e-4)
    np.testing.assert_array_equal(found[:, 2:], outputs[:, 2:])


def test_a_joint_with_few_examples_keeps_what_the_network_gives():
    examples = some_examples(20)
    outputs = head_outputs(random_head("confidence").tensors, examples.features)
    calibration = fit_joint_calibration(outputs, examples)
    assert calibration.slope.tolist() == [1.0] * 17
    assert calibration.log_variance.tolist() == [0.0] * 17


def columns(examples):
    names = ("found", "right", "errors", "judged", "occluded", "weights")
    arrays = [np.nan_to_num(getattr(examples, name).astype(np.float32)) for name in names]
    return [torch.tensor(array) for array in arrays]


def test_the_loss_is_least_for_what_is_true():
    examples = some_examples(4000)
    outputs = torch.zeros(4000, 4, 17)
    first = torch.tensor(examples.features[:, :1])
    outputs[:, 0] = 2 * first
    # The square root of the determinant of diag(2², 1²) is 2, and the stretch of it 3/4.
    outputs[:, 1] = np.log(0.02**2 * 2) + first
    outputs[:, 2] = 0.75
    for row in range(4):
        slopes = []
        for change in (-0.5, 0.0, 0.5):
            shift = torch.tensor(change, requires_grad=True)
            one = torch.zeros(4, 1)
            one[row] = 1
            joint_loss(outputs + shift * one, *columns(examples)).backward()
            slopes.append(shift.grad.item())
        assert slopes[0] < 0 < slopes[2]
        assert abs(slopes[1]) < 0.15 * min(-slopes[0], slopes[2])


def test_the_coverage_loss_moves_the_ellipses_of_each_estimator_towards_90_percent():
    """The first estimator's ellipses are too small, the second's too large."""
    examples = some_examples(4000)
    own = torch.nn.functional.one_hot(torch.tensor(examples.estimators)).float()
    _, _, errors, judged, occluded, _ = columns(examples)
    outputs = torch.zeros(4000, 4, 17)
    outputs[:, 1] = np.log(0.02**2 * 2) + torch.tensor(examples.features[:, :1])
    outputs[:, 2] = 0.75

    def loss(shifts):
        moved = outputs.clone()
        moved[:, 1] += own @ shifts
        return coverage_loss(moved, errors, judged, occluded, own)

    shifts = torch.tensor([[-1.0], [1.0]]).repeat(1, 17).requires_grad_()
    loss(shifts).backward()
    assert (shifts.grad[0] < 0).all()
    assert (shifts.grad[1] > 0).all()
    right = loss(torch.zeros(2, 17))
    assert right < 0.1 * loss(shifts.detach())
    seldom = judged * (torch.arange(4000) < 8)[:, None]
    assert coverage_loss(outputs, errors, seldom, occluded, own) == 0


def test_the_coverage_loss_counts_occluded_joints_once_more():
    examples = some_examples(400)
    _, _, errors, judged, _, _ = columns(examples)
    small = torch.full((400, 4, 17), 0.0)
    small[:, 1] = -16
    one = torch.ones(400, 1)
    without = coverage_loss(small, errors, judged, torch.zeros(400, 17), one)
    both = coverage_loss(small, errors, judged, torch.ones(400, 17), one)
    assert without.item() == pytest.approx(3.0 * 17 * 0.9**2, rel=1e-2)
    assert both.item() - without.item() == pytest.approx(5.0 * 0.9**2, rel=1e-2)


def test_estimators_count_alike_in_the_calibration():
    """One estimator has nine times as many poses as the other, and errors half as large."""
    examples = some_examples(4000)
    few = np.arange(4000) % 10 == 0
    errors = np.where(few[:, None, None], 2 * examples.errors, examples.errors)
    both = replace(examples, estimators=few.astype(np.int64), errors=errors.astype(np.float32))
    outputs = np.zeros((4000, 4, 17), np.float32)
    shift = fit_joint_calibration(outputs, both).log_variance
    squares = (both.errors.astype(np.float64) ** 2).sum(axis=2)
    inside = squares <= COVERED * np.exp(shift)
    shares = [inside[rows[:, None] & both.judged].mean() for rows in (few, ~few)]
    assert np.mean(shares) == pytest.approx(0.9, abs=0.01)
    assert shares[0] < 0.87 < 0.93 < shares[1]


def test_poses_that_weigh_nothing_and_joints_without_truth_do_not_count():
    examples = some_examples(100)
    outputs = torch.randn(100, 4, 17, generator=torch.Generator().manual_seed(0))
    given = columns(examples)
    given[5][50:] = 0
    given[3][50:] = 0
    first = [column[:50] for column in given]
    torch.testing.assert_close(joint_loss(outputs, *given), joint_loss(outputs[:50], *first))


def test_examples_are_joined_and_selected():
    both = join_examples([some_examples(3), some_examples(4)])
    assert len(both) == 7
    assert both[both.images == 0].features.shape == (2, FEATURES)


def test_a_fold_scores_by_the_scale_of_its_own_baseline():
    weights = random_weights(baseline="score_times_joints", baseline_scale=2.0)
    part = random_weights(baseline_scale=3.0)
    found = _scoring(weights, part)
    assert (found.baseline, found.baseline_scale) == ("score_times_joints", 3.0)
    assert found.tensors is part.tensors
